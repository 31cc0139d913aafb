"""The worker of the shop: makes the invoice of each order that was taken."""

from __future__ import annotations

import asyncio
import os

import rialto


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


async def make_invoice(job: rialto.WorkerJob) -> str:
    """Its text is the result of the job. A job may be begun twice; this one may be, since it changes nothing elsewhere."""
    try:
        order = job.json()
        customer, lines = order["customer"], order["lines"]
        text, total = [f"Invoice for {customer}"], 0
        for done, line in enumerate(lines, start=1):
            cents = line["count"] * line["cents"]
            total += cents
            text.append(f"{line['count']:3} × {line['article']:<12}{money(line['cents']):>8}{money(cents):>10}")
            job.progress(done, len(lines), line["article"])
    except (ValueError, KeyError, TypeError) as error:
        # It will be as wrong the next time.
        raise rialto.Fail(f"the order cannot be read: {error!r}", code="ORDER_INVALID", permanent=True) from error
    return "\n".join([*text, f"{'Sum':18}{money(total):>18}"])


async def main() -> None:
    url = os.environ.get("RIALTO_URL", "http://127.0.0.1:7400")
    async with rialto.Client(url) as client:
        # With SIGTERM it takes no more jobs, ends those that it has, and says what became of them.
        worker = client.worker("invoices", concurrency=4, signals=True).queue("shop", "invoices")
        worker.job("invoice")(make_invoice)
        print("invoices are made", flush=True)
        await worker.run()


asyncio.run(main())
