// All that CuPy's complex numbers want of Thrust; its own header brings half a second of others with it.
#pragma once
#define THRUST_NAMESPACE_BEGIN namespace thrust {
#define THRUST_NAMESPACE_END }
