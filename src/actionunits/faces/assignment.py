"""Who is who: the pairs of rows and columns that cost least together.

Method: Kuhn, "The Hungarian Method for the assignment problem", 1955, by the shortest augmenting paths of Jonker &
Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 1987.
"""

from __future__ import annotations

import numpy as np


def cheapest_pairs(cost: np.ndarray) -> list[tuple[int, int]]:
    """As many (row, column) pairs as the shorter side of `cost`, (N, M) finite, has, each line once; by row.

    >>> cheapest_pairs(np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0]]))
    [(0, 1), (1, 0)]
    """
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in cheapest_pairs(cost.T))
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for new in range(rows):
        # Dijkstra's shortest path from the new row to a free column, over reduced costs.
        length, before = np.full(columns, np.inf), np.full(columns, -1)
        visited = np.zeros(columns, bool)
        row, column, so_far = new, -1, 0.0
        while row >= 0:
            through = so_far + cost[row] - row_price[row] - column_price
            shorter = ~visited & (through < length)
            length[shorter], before[shorter] = through[shorter], column
            column = int(np.where(visited, np.inf, length).argmin())
            visited[column], so_far, row = True, length[column], row_of[column]
        taken = visited & (row_of >= 0)
        row_price[new] += so_far
        row_price[row_of[taken]] += so_far - length[taken]
        column_price[visited] -= so_far - length[visited]
        while column >= 0:  # each row on the path takes the column that it was reached through
            row_of[column] = new if before[column] < 0 else row_of[before[column]]
            column = int(before[column])
    return sorted((int(row_of[column]), int(column)) for column in np.flatnonzero(row_of >= 0))
