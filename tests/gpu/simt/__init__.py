"""A host compiler for CUDA sources: kernels run on the CPU, block after block, with real barriers and shared memory.

>>> module = compile_kernels(source, name_expressions=("softmax<float>",))
>>> launch(module.function("softmax<float>"), (rows,), (256,), (out, x, np.int64(width)))
"""

from .compiler import CompileError, Function, LaunchError, Module, compile_kernels, launch

__all__ = ["CompileError", "Function", "LaunchError", "Module", "compile_kernels", "launch"]
