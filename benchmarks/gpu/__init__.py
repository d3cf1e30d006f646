"""A day with a graphics processor in one command: `python -m benchmarks.gpu --out FOLDER`.

`day` watches over the time and over a process of its own, `worker`, in which the entries of all stages run; `records`
are the files that both write; each stage is a file: `card`, `kernels`, `bandwidth`, `products`, `points`, `surfaces`,
`memory`.
"""
