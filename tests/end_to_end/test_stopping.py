"""An orderly stop does with working orders what was chosen; on a full disk only reducing orders pass."""


def test_a_stop_that_cancels_and_a_start_on_a_full_disk(services):
    service = services(STOP__ORDERS="cancel")
    order = service.order(qty="0.02", limitPrice="39000", clientOrderId="works").json()
    assert order["status"] == "open"
    assert service.order().status_code == 201
    assert service.stop() == 0

    service.settings["DISK__RESERVE_MB"] = "1000000"
    service.start()
    ended = service.get(f"/orders/{order['orderId']}")
    assert ended["status"] == "canceled"
    refused = service.order()
    assert (refused.status_code, refused.json()["code"]) == (422, "TRADING_REDUCING")
    assert service.order("sell").status_code == 201
    causes = [e["payload"]["cause"] for e in service.events() if e["type"] == "TradingStateChanged"]
    assert any(cause.startswith("DISK_LOW: ") for cause in causes)
