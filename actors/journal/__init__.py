"""The journal: the hash chain, batching, folding, the port to the store, and JournalActor, the one writer."""
