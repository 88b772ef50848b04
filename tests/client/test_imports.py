"""No file of the client imports, by way of others, itself; lazily or not. What is for type checkers alone is left out."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_import_circles() -> None:
    graph = grimp.build_graph("telegrad", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, with the circle
