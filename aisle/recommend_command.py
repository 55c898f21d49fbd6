"""`aisle recommend`: lists for many customers at once, from the histories in a bundle: no profile store is asked."""

from __future__ import annotations

import sys
from argparse import Namespace

from aisle.bundle import Bundle
from aisle.customer_lists import CustomerLists
from aisle.tables import read_customers
from aisle.terminal import progress


def recommend(asked: Namespace) -> int:
    """Prints customer_id <tab> product_id <tab> rank <tab> score, best first; the unknown get a stranger's list.

    The log's end counts as now. Nothing that is sold out is listed.
    """
    customers = read_customers(asked.users)
    lists = CustomerLists(Bundle.open(asked.bundle))
    for customer in customers if sys.stdout.isatty() else progress(customers):
        for rank, (product_id, score) in enumerate(lists.suited(customer, asked.k, asked.new), 1):
            print(f"{customer}\t{product_id}\t{rank}\t{score:.9g}")
    return 0
