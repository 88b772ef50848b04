"""`make gpu-check`: all that a machine with a GPU can tell in eight minutes, without network, as one report.

`plan` lists the steps, the most telling first. `runner` runs each as a process of its own, for so long at most, and
writes what it finds as it comes: `results.jsonl`, one JSON object a line, and the page that `page` makes of them, so
that a check that is cut off has told what it saw. `steps` has the steps; `card` opens what they run on: the GPU or, for
a rehearsal, an emulated device.
"""
