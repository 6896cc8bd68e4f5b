"""The service that ours is measured against: what a careful developer writes with the usual parts.

FastAPI, SQLAlchemy's asyncio ORM on asyncpg, one process. It commits the order before it "executes" it and
commits its fill and the position after, on the same PostgreSQL, so that both services give the same
promise: an answer only for what is durable. It has no risk check, no journal and no recovery.

Run as `python -m ops.bench.reference DSN PORT`; it makes its own tables in schema `reference`.
"""

import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, MetaData, Numeric, String, text
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TOKEN = "bench"  # noqa: S105 - of a server that lives for minutes
PRICE = Decimal(40000)


class Base(DeclarativeBase):
    """Tables of the reference service."""

    metadata = MetaData(schema="reference")


class OrderRow(Base):
    __tablename__ = "orders"
    id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(20))
    side: Mapped[str] = mapped_column(String(4))
    type: Mapped[str] = mapped_column(String(10))
    qty: Mapped[Decimal] = mapped_column(Numeric)
    limit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]


class FillRow(Base):
    __tablename__ = "fills"
    id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reference.orders.id"))
    qty: Mapped[Decimal] = mapped_column(Numeric)
    price: Mapped[Decimal] = mapped_column(Numeric)
    timestamp: Mapped[datetime]


class PositionRow(Base):
    __tablename__ = "positions"
    symbol: Mapped[str] = mapped_column(String(20), primary_key=True)
    qty: Mapped[Decimal] = mapped_column(Numeric)
    avg_price: Mapped[Decimal] = mapped_column(Numeric)
    realized_pnl: Mapped[Decimal] = mapped_column(Numeric)
    updated_at: Mapped[datetime]


class NewOrder(BaseModel):
    """The request body."""

    symbol: str
    side: str = Field(pattern="^(buy|sell)$")
    type: str = Field(pattern="^(market|limit)$")
    qty: Decimal = Field(gt=0)
    limitPrice: Decimal | None = None


class OrderOut(BaseModel):
    """The answer."""

    orderId: str
    symbol: str
    side: str
    qty: Decimal
    status: str
    avgPrice: Decimal


def build(dsn: str) -> FastAPI:
    """The application on a database given as a postgresql:// DSN."""
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=20)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE SCHEMA IF NOT EXISTS reference"))
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=201)
    async def create(order: NewOrder, authorization: str = Header()) -> OrderOut:
        if authorization != f"Bearer {TOKEN}":
            raise HTTPException(401)
        async with sessions() as session:
            return await _execute(session, order)

    return app


async def _execute(session: AsyncSession, order: NewOrder) -> OrderOut:
    now = datetime.now(UTC).replace(tzinfo=None)
    row = OrderRow(
        id=uuid.uuid4(),
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        qty=order.qty,
        limit_price=order.limitPrice,
        status="accepted",
        created_at=now,
    )
    session.add(row)
    await session.commit()
    session.add(FillRow(id=uuid.uuid4(), order_id=row.id, qty=order.qty, price=PRICE, timestamp=now))
    row.status = "filled"
    position = await session.get(PositionRow, order.symbol, with_for_update=True)
    if position is None:
        position = PositionRow(
            symbol=order.symbol, qty=Decimal(0), avg_price=Decimal(0), realized_pnl=Decimal(0)
        )
        session.add(position)
    _apply(position, order.qty if order.side == "buy" else -order.qty, now)
    await session.commit()
    return OrderOut(
        orderId=str(row.id), symbol=row.symbol, side=row.side, qty=row.qty, status="filled", avgPrice=PRICE
    )


def _apply(position: PositionRow, signed: Decimal, now: datetime) -> None:
    """Move the position by a fill at the one price that there is, with its average and realised result."""
    if position.qty * signed >= 0:
        total = position.qty + signed
        if total:
            position.avg_price = (position.avg_price * position.qty + PRICE * signed) / total
    else:
        closed = min(abs(signed), abs(position.qty))
        result = (PRICE - position.avg_price) * closed
        position.realized_pnl += result if position.qty > 0 else -result
    position.qty += signed
    position.updated_at = now


if __name__ == "__main__":
    uvicorn.run(build(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
