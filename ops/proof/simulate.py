"""scratch"""
import logging, sys, time
import structlog
from ops.proof.determinism import run
from ops.proof.plan import make_plan
from ops.proof.world import World

def quiet():
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

quiet()
seed=int(sys.argv[1])
plan=make_plan(seed, faults=len(sys.argv)>2)
print(plan)
t=time.process_time()
async def main():
    w=World(plan)
    await w.run()
    return w
w=run(main, seed=str(seed))
print("took",time.process_time()-t)
from collections import Counter
print(Counter((c.what,c.answer,c.code) for c in w.calls))
print(Counter(r.type for r in w.disk.records))
print(w.incidents[:5], w.ended)
print({n:(len(v.listed),len(v.traded),Counter(l.status for l in v.listed.values())) for n,v in w.venues.items()})
print(w.disk.hash.hex())
