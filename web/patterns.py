"""The forms of names and ids, as the contract states them."""

SYMBOL = r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?\Z"
EXCHANGE = r"^[a-z0-9_-]{1,32}\Z"
CLIENT_ORDER_ID = r"^[A-Za-z0-9_-]{1,32}\Z"
WEBHOOK_ID = r"^ep_[0-9a-z]{1,60}\Z"
DEAD_LETTER_ID = r"^msg_[0-9a-z_]{1,120}\Z"
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
