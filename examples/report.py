"""A typed report over a CSV: what `main` returns, a list of objects, is shown as a table.

    path  f/examples/report     language  python3     summary  A report over a CSV with pandas

`import pandas` is all that it takes: the deploy finds the package, locks its version, and the worker installs it once.
"""

from datetime import date
from io import StringIO
from typing import Literal

import pandas as pd

SALES = """day,region,product,amount,price
2026-01-05,North,Coffee,12,4.50
2026-01-05,South,Tea,7,3.20
2026-01-12,North,Tea,9,3.20
2026-01-19,West,Coffee,15,4.50
2026-01-26,South,Coffee,4,4.50
2026-02-02,West,Tea,11,3.20
2026-02-09,North,Coffee,8,4.50
2026-02-16,South,Cocoa,6,5.10
"""


def main(
    csv: str = SALES,
    group_by: Literal["region", "product", "month"] = "region",
    since: date | None = None,
    top: int = 10,
):
    """Turnover by region, product or month.

    Args:
        csv: Lines of day, region, product, amount and price.
        since: Leave out what was sold before this day.
        top: How many rows, the best first.
    """
    sales = pd.read_csv(StringIO(csv), parse_dates=["day"])
    if since is not None:
        sales = sales[sales["day"] >= pd.Timestamp(since)]
    print(f"{len(sales)} sales from {sales['day'].min():%Y-%m-%d} to {sales['day'].max():%Y-%m-%d}")
    sales["month"] = sales["day"].dt.strftime("%Y-%m")
    sales["turnover"] = sales["amount"] * sales["price"]
    table = sales.groupby(group_by).agg(amount=("amount", "sum"), turnover=("turnover", "sum"))
    table["share"] = table["turnover"] / table["turnover"].sum()
    table = table.sort_values("turnover", ascending=False).head(top).round(2).reset_index()
    return table.to_dict(orient="records")
