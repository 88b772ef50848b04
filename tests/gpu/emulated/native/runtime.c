// An emulated CUDA runtime and driver behind the C interface of `cupy_backends.cuda.api`.
//
// CuPy's compiled modules call each other through capsules whose names are C signatures. Here are functions of the same
// signatures; `replace` puts one in the place of an original, after it has compared the two names letter by letter.
// Everything runs in the calling thread with the GIL held: a kernel has ended when its launch returns.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "copies.h"
#include "memory.h"

typedef PyObject* Object;

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_READY = 600, ILLEGAL_ADDRESS = 700 };
enum { HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, ANY_TO_ANY };
enum { TYPE_UNREGISTERED = 0, TYPE_HOST = 1, TYPE_DEVICE = 2 };

static struct {
  long launches, to_device, to_host, on_device, synchronizations, allocations;
} counts;
static int devices = 1;
static _Thread_local int device;
static int broken;  // as after a kernel's illegal address: nothing works any more
static Object runtime_module;

// Errors ---------------------------------------------------------------------------------------------------------

static Object done(void) { return Py_NewRef(Py_None); }

static Object cuda_error(int status) {
  Object kind = PyObject_GetAttrString(runtime_module, "CUDARuntimeError");
  Object error = kind ? PyObject_CallFunction(kind, "i", status) : NULL;
  if (error) PyErr_SetObject(kind, error);
  Py_XDECREF(kind);
  Py_XDECREF(error);
  return NULL;
}

static Object refuse(const char* format, ...) {
  va_list words;
  va_start(words, format);
  PyErr_FormatV(PyExc_RuntimeError, format, words);
  va_end(words);
  return NULL;
}

static Object done_if_fences_hold(void) {
  const char* damage = damaged_fence();
  return damage ? refuse("emulated CUDA: %s", damage) : done();
}

static Object refused_object(void) { return refuse("emulated CUDA: CuPy called a CUDA function that is not emulated"); }
static int refused_int(void) { return refused_object(), -1; }
static intptr_t refused_pointer(void) { return refused_object(), 0; }

// Devices --------------------------------------------------------------------------------------------------------

static Object ensure_context(void) { return done(); }
static int get_device(int skip) { return device; }
static int get_device_count(int skip) { return devices; }
static int version(int skip) { return 13000; }
static int can_access_peer(int from, int to, int skip) { return 0; }

static Object set_device(int index, int skip) {
  if (index < 0 || index >= devices) return cuda_error(INVALID_DEVICE);
  device = index;
  return done();
}

// By the numbers of cudaDeviceAttr; those of an H100.
static int device_attribute(int attribute, int index, int skip) {
  switch (attribute) {
    case 1: case 2: case 3: return 1024;  // threads of a block, along x, along y
    case 4: return 64;
    case 5: return INT32_MAX;  // blocks of a grid along x, y, z
    case 6: case 7: return 65535;
    case 8: return 48 << 10;  // shared memory of a block
    case 10: return 32;  // threads of a warp
    case 12: return 65536;  // registers of a block
    case 16: return 132;  // multiprocessors
    case 39: return 2048;  // threads of a multiprocessor
    case 75: return 9;  // compute capability
    case 76: return 0;
    case 115: return 0;  // memory pools
  }
  refuse("emulated CUDA: no value for device attribute %d", attribute);
  return -1;
}

static Object device_properties(int index, int skip) {
  return Py_BuildValue("{s:y,s:i,s:i,s:n,s:i,s:i,s:i}", "name", "Emulated GPU", "major", 9, "minor", 0, "totalGlobalMem",
                       (Py_ssize_t)device_limit[index], "multiProcessorCount", 132, "warpSize", 32, "sharedMemPerBlock",
                       48 << 10);
}

static Object pci_bus_id(int index, int skip) { return PyUnicode_FromFormat("0000:%02x:00.0", index + 1); }

static Object device_synchronize(int skip) {
  if (broken) return cuda_error(ILLEGAL_ADDRESS);
  counts.synchronizations++;
  deliver_all();
  check_fences();
  return done_if_fences_hold();
}

// Memory ---------------------------------------------------------------------------------------------------------

static intptr_t device_malloc(size_t size, int skip) {
  if (broken) return (intptr_t)cuda_error(ILLEGAL_ADDRESS);
  void* made = allocate(size, device);
  if (!made) return (intptr_t)cuda_error(OUT_OF_MEMORY);
  counts.allocations++;
  return (intptr_t)made;
}

static intptr_t host_alloc(size_t size, unsigned flags, int skip) {
  void* made = allocate(size, HOST);
  return made ? (intptr_t)made : (intptr_t)cuda_error(OUT_OF_MEMORY);
}

// CuPy frees in destructors, where an error is lost: a damaged fence is reported by the next wait.
static Object memory_free(intptr_t pointer, int skip) {
  deliver_all();
  return release((void*)pointer) ? done() : refuse("emulated CUDA: freed a pointer that is no allocation");
}

static Object host_register(intptr_t start, size_t size, unsigned flags, int skip) {
  if (holder((void*)start, size)) return refuse("emulated CUDA: registered memory that is pinned already");
  register_host((void*)start, size);
  return done();
}

static Object host_unregister(intptr_t start, int skip) {
  deliver_all();
  return unregister_host((void*)start) ? done() : refuse("emulated CUDA: unregistered memory that was not registered");
}

static Object memory_info(int skip) {
  return Py_BuildValue("nn", (Py_ssize_t)(device_limit[device] - device_used[device]), (Py_ssize_t)device_limit[device]);
}

static int memory_type(intptr_t pointer, int skip) {
  const Allocation* found = holder((void*)pointer, 0);
  return !found ? TYPE_UNREGISTERED : found->device < 0 ? TYPE_HOST : TYPE_DEVICE;
}

static Object pointer_attributes(intptr_t pointer, int skip) {
  const Allocation* found = holder((void*)pointer, 0);
  int type = memory_type(pointer, 0), where = found && found->device != HOST ? found->device : 0;
  Py_ssize_t on_device = type == TYPE_UNREGISTERED ? 0 : pointer, on_host = type == TYPE_DEVICE ? 0 : pointer;
  return PyObject_CallMethod(runtime_module, "PointerAttributes", "inni", where, on_device, on_host, type);
}

// Whether a side of a copy lies where the copy says: wholly in one device allocation, or in none.
static int lies(intptr_t pointer, size_t size, int on_device) {
  const Allocation* found = holder((void*)pointer, on_device ? size : 0);
  return on_device ? found && found->device >= 0 : !found || found->device < 0;
}

static int copy_kind(intptr_t to, intptr_t from, int kind) {
  if (kind != ANY_TO_ANY) return kind;
  return (memory_type(from, 0) == TYPE_DEVICE ? 2 : 0) + (memory_type(to, 0) == TYPE_DEVICE ? 1 : 0);
}

static int check_copy(intptr_t to, intptr_t from, size_t size, int kind) {
  if (size && !lies(to, size, kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE))
    return refuse("emulated CUDA: a copy of %zu bytes writes outside of the memory that it names", size), 0;
  if (size && !lies(from, size, kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE))
    return refuse("emulated CUDA: a copy of %zu bytes reads outside of the memory that it names", size), 0;
  counts.to_device += kind == HOST_TO_DEVICE;
  counts.to_host += kind == DEVICE_TO_HOST;
  counts.on_device += kind == DEVICE_TO_DEVICE;
  return 1;
}

static Object copy(intptr_t to, intptr_t from, size_t size, int kind, int skip) {
  if (broken) return cuda_error(ILLEGAL_ADDRESS);
  deliver_all();
  if (!check_copy(to, from, size, copy_kind(to, from, kind))) return NULL;
  memmove((void*)to, (void*)from, size);
  return done();
}

static Object copy_async(intptr_t to, intptr_t from, size_t size, int kind, intptr_t stream, int skip) {
  if (broken) return cuda_error(ILLEGAL_ADDRESS);
  kind = copy_kind(to, from, kind);
  if (!check_copy(to, from, size, kind)) return NULL;
  if (kind == DEVICE_TO_HOST && memory_type(to, 0) == TYPE_HOST)
    copy_later((void*)to, (void*)from, size, stream);
  else
    memmove((void*)to, (void*)from, size);
  return done();
}

static Object copy_peer(intptr_t to, int to_device, intptr_t from, int from_device, size_t size, int skip) {
  return copy(to, from, size, DEVICE_TO_DEVICE, skip);
}

static Object copy_peer_async(intptr_t to, int to_device, intptr_t from, int from_device, size_t size, intptr_t stream,
                              int skip) {
  return copy_async(to, from, size, DEVICE_TO_DEVICE, stream, skip);
}

static Object set_bytes_async(intptr_t to, int value, size_t size, intptr_t stream, int skip) {
  if (size && !lies(to, size, 1)) return refuse("emulated CUDA: memset writes outside of the memory that it names");
  memset((void*)to, value, size);
  return done();
}

static Object set_bytes(intptr_t to, int value, size_t size, int skip) {
  return set_bytes_async(to, value, size, 0, skip);
}

// Streams and events ---------------------------------------------------------------------------------------------

static intptr_t new_stream(void) {
  static intptr_t next = 0x1000;
  return next++;
}
static intptr_t stream_create(int skip) { return new_stream(); }
static intptr_t stream_create_with_flags(unsigned flags, int skip) { return new_stream(); }
static intptr_t stream_create_with_priority(unsigned flags, int priority, int skip) { return new_stream(); }
static unsigned stream_flags(intptr_t stream, int skip) { return 0; }
static int stream_priority(intptr_t stream, int skip) { return 0; }
static int stream_is_capturing(intptr_t stream, int skip) { return 0; }

static Object stream_destroy(intptr_t stream, int skip) {
  deliver_stream(stream);
  return done();
}

static Object stream_synchronize(intptr_t stream, int skip) {
  counts.synchronizations++;
  deliver_stream(stream);
  return done();
}

// What is asked for the first time is not ready, if anything is to come.
static Object stream_query(intptr_t stream, int skip) {
  return PyLong_FromLong(deliver_stream(stream) ? NOT_READY : SUCCESS);
}

static Object stream_wait_event(intptr_t stream, intptr_t event, int skip, void* flags) { return done(); }

static intptr_t event_create(int skip) { return (intptr_t)calloc(1, sizeof(Mark)); }
static intptr_t event_create_with_flags(unsigned flags, int skip) { return event_create(skip); }

static Object event_destroy(intptr_t event, int skip) {
  free((Mark*)event);
  return done();
}

static Object event_record(intptr_t event, intptr_t stream, int skip) {
  *(Mark*)event = mark(stream);
  return done();
}

// The status is the answer, as in CuPy: it raises nothing.
static Object event_query(intptr_t event, int skip) {
  if (broken) return PyLong_FromLong(ILLEGAL_ADDRESS);
  return PyLong_FromLong(deliver_mark(*(Mark*)event) ? NOT_READY : SUCCESS);
}

static Object event_synchronize(intptr_t event, int skip) {
  counts.synchronizations++;
  deliver_mark(*(Mark*)event);
  return done();
}

static float event_elapsed_time(intptr_t from, intptr_t to, int skip) { return 0.001f; }

// Modules and kernels: a "cubin" is the path of a library that `gpu.simt` made ------------------------------------

typedef const char* (*Kernel)(const unsigned* sizes, size_t shared_bytes, void** arguments);

static intptr_t current_context(int skip) { return 1; }
static intptr_t stream_context(intptr_t stream, int skip) { return 1; }

static intptr_t module_load_data(Object path, int skip) {
  const char* name = PyBytes_AsString(path);
  void* library = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (name && !library) refuse("emulated CUDA: %s", dlerror());
  return (intptr_t)library;
}

static Object module_unload(intptr_t module, int skip) {
  dlclose((void*)module);
  return done();
}

static intptr_t module_function(intptr_t module, Object name, int skip) {
  char entry[1024];
  snprintf(entry, sizeof entry, "simt_entry_%s", PyUnicode_AsUTF8(name));
  void* found = dlsym((void*)module, entry);
  if (!found) refuse("emulated CUDA: no kernel %U in this module", name);
  return (intptr_t)found;
}

static Object launch_kernel(intptr_t function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                            unsigned bz, unsigned shared_bytes, intptr_t stream, intptr_t arguments, intptr_t extra,
                            int skip) {
  if (broken) return cuda_error(ILLEGAL_ADDRESS);
  const unsigned sizes[6] = {gx, gy, gz, bx, by, bz};
  const char* problem = ((Kernel)function)(sizes, shared_bytes, (void**)arguments);
  counts.launches++;
  return problem ? refuse("emulated CUDA: %s", problem) : done();
}

static int function_attribute(int attribute, intptr_t function, int skip) {
  if (attribute == 0) return 1024;  // threads of a block
  refuse("emulated CUDA: no value for function attribute %d", attribute);
  return -1;
}

static int active_blocks(intptr_t function, int block, size_t shared_bytes, int skip) { return 2; }

// Replacement ----------------------------------------------------------------------------------------------------

typedef struct {
  const char *module, *name, *signature;
  void* function;
} Replacement;

#define OPTIONS(name) "struct __pyx_opt_args_13cupy_backends_4cuda_3api_7runtime_" name " *__pyx_optional_args)"
#define SKIP "int __pyx_skip_dispatch"
#define RUNTIME(name, signature, function) {"runtime", name, signature, (void*)function}
#define DRIVER(name, signature, function) {"driver", name, signature, (void*)function}
#define SIZES "unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int"

static const Replacement replacements[] = {
    RUNTIME("_ensure_context", "PyObject *(void)", ensure_context),
    RUNTIME("getDevice", "int (" SKIP ")", get_device),
    RUNTIME("setDevice", "PyObject *(int, " SKIP ")", set_device),
    RUNTIME("getDeviceCount", "int (" SKIP ")", get_device_count),
    RUNTIME("driverGetVersion", "int (" SKIP ")", version),
    RUNTIME("runtimeGetVersion", "int (" SKIP ")", version),
    RUNTIME("deviceGetAttribute", "int (int, int, " SKIP ")", device_attribute),
    RUNTIME("getDeviceProperties", "PyObject *(int, " SKIP ")", device_properties),
    RUNTIME("deviceGetPCIBusId", "PyObject *(int, " SKIP ")", pci_bus_id),
    RUNTIME("deviceCanAccessPeer", "int (int, int, " SKIP ")", can_access_peer),
    RUNTIME("deviceSynchronize", "PyObject *(" SKIP ")", device_synchronize),
    RUNTIME("malloc", "intptr_t (size_t, " SKIP ")", device_malloc),
    RUNTIME("hostAlloc", "intptr_t (size_t, unsigned int, " SKIP ")", host_alloc),
    RUNTIME("hostRegister", "PyObject *(intptr_t, size_t, unsigned int, " SKIP ")", host_register),
    RUNTIME("hostUnregister", "PyObject *(intptr_t, " SKIP ")", host_unregister),
    RUNTIME("free", "PyObject *(intptr_t, " SKIP ")", memory_free),
    RUNTIME("freeHost", "PyObject *(intptr_t, " SKIP ")", memory_free),
    RUNTIME("memGetInfo", "PyObject *(" SKIP ")", memory_info),
    RUNTIME("pointerGetMemoryType", "int (intptr_t, " SKIP ")", memory_type),
    RUNTIME("pointerGetAttributes",
            "struct __pyx_obj_13cupy_backends_4cuda_3api_7runtime_PointerAttributes *(intptr_t, " SKIP ")",
            pointer_attributes),
    RUNTIME("memcpy", "PyObject *(intptr_t, intptr_t, size_t, int, " SKIP ")", copy),
    RUNTIME("memcpyAsync", "PyObject *(intptr_t, intptr_t, size_t, int, intptr_t, " SKIP ")", copy_async),
    RUNTIME("memcpyPeer", "PyObject *(intptr_t, int, intptr_t, int, size_t, " SKIP ")", copy_peer),
    RUNTIME("memcpyPeerAsync", "PyObject *(intptr_t, int, intptr_t, int, size_t, intptr_t, " SKIP ")", copy_peer_async),
    RUNTIME("memset", "PyObject *(intptr_t, int, size_t, " SKIP ")", set_bytes),
    RUNTIME("memsetAsync", "PyObject *(intptr_t, int, size_t, intptr_t, " SKIP ")", set_bytes_async),
    RUNTIME("streamCreate", "intptr_t (" SKIP ")", stream_create),
    RUNTIME("streamCreateWithFlags", "intptr_t (unsigned int, " SKIP ")", stream_create_with_flags),
    RUNTIME("streamCreateWithPriority", "intptr_t (unsigned int, int, " SKIP ")", stream_create_with_priority),
    RUNTIME("streamGetFlags", "unsigned int (intptr_t, " SKIP ")", stream_flags),
    RUNTIME("streamGetPriority", "int (intptr_t, " SKIP ")", stream_priority),
    RUNTIME("streamIsCapturing", "int (intptr_t, " SKIP ")", stream_is_capturing),
    RUNTIME("streamDestroy", "PyObject *(intptr_t, " SKIP ")", stream_destroy),
    RUNTIME("streamSynchronize", "PyObject *(intptr_t, " SKIP ")", stream_synchronize),
    RUNTIME("streamQuery", "PyObject *(intptr_t, " SKIP ")", stream_query),
    RUNTIME("streamWaitEvent", "PyObject *(intptr_t, intptr_t, " SKIP ", " OPTIONS("streamWaitEvent"),
            stream_wait_event),
    RUNTIME("eventCreate", "intptr_t (" SKIP ")", event_create),
    RUNTIME("eventCreateWithFlags", "intptr_t (unsigned int, " SKIP ")", event_create_with_flags),
    RUNTIME("eventDestroy", "PyObject *(intptr_t, " SKIP ")", event_destroy),
    RUNTIME("eventRecord", "PyObject *(intptr_t, intptr_t, " SKIP ")", event_record),
    RUNTIME("eventQuery", "PyObject *(intptr_t, " SKIP ")", event_query),
    RUNTIME("eventSynchronize", "PyObject *(intptr_t, " SKIP ")", event_synchronize),
    RUNTIME("eventElapsedTime", "float (intptr_t, intptr_t, " SKIP ")", event_elapsed_time),
    DRIVER("ctxGetCurrent", "intptr_t (" SKIP ")", current_context),
    DRIVER("streamGetCtx", "intptr_t (intptr_t, " SKIP ")", stream_context),
    DRIVER("moduleLoadData", "intptr_t (PyObject *, " SKIP ")", module_load_data),
    DRIVER("moduleUnload", "PyObject *(intptr_t, " SKIP ")", module_unload),
    DRIVER("moduleGetFunction", "intptr_t (intptr_t, PyObject *, " SKIP ")", module_function),
    DRIVER("launchKernel", "PyObject *(intptr_t, " SIZES ", intptr_t, intptr_t, intptr_t, " SKIP ")", launch_kernel),
    DRIVER("funcGetAttribute", "int (int, intptr_t, " SKIP ")", function_attribute),
    DRIVER("occupancyMaxActiveBlocksPerMultiprocessor", "int (intptr_t, int, size_t, " SKIP ")", active_blocks),
};

// What the emulated device does in the place of a function that it does not have, by the type of the answer.
static void* refusal(const char* signature) {
  if (!strncmp(signature, "PyObject *", 10)) return (void*)refused_object;
  return strncmp(signature, "int ", 4) && strncmp(signature, "float ", 6) ? (void*)refused_pointer : (void*)refused_int;
}

// replace(module name, function name, capsule) -> whether there is an emulation; else the capsule refuses from now on.
static Object replace(Object self, Object arguments) {
  const char *module, *name;
  Object capsule;
  if (!PyArg_ParseTuple(arguments, "ssO", &module, &name, &capsule)) return NULL;
  const char* signature = PyCapsule_GetName(capsule);
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    const Replacement* r = &replacements[i];
    if (strcmp(r->module, module) || strcmp(r->name, name)) continue;
    if (strcmp(r->signature, signature))
      return PyErr_Format(PyExc_ImportError, "%s.%s is \"%s\", this emulator was written for \"%s\"", module, name,
                          signature, r->signature);
    return PyCapsule_SetPointer(capsule, r->function) ? NULL : Py_NewRef(Py_True);
  }
  return PyCapsule_SetPointer(capsule, refusal(signature)) ? NULL : Py_NewRef(Py_False);
}

static Object names(Object self, Object module) {
  Object found = PyList_New(0);
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    if (strcmp(replacements[i].module, PyUnicode_AsUTF8(module))) continue;
    Object name = PyUnicode_FromString(replacements[i].name);
    PyList_Append(found, name);
    Py_DECREF(name);
  }
  return found;
}

static Object start(Object self, Object arguments) {
  Py_ssize_t limit;
  if (!PyArg_ParseTuple(arguments, "Oin", &runtime_module, &devices, &limit)) return NULL;
  if (devices < 1 || devices > MAX_DEVICES) return PyErr_Format(PyExc_ValueError, "1 to %d devices", MAX_DEVICES);
  Py_INCREF(runtime_module);
  for (int i = 0; i < devices; i++) device_limit[i] = (size_t)limit;
  return done();
}

static Object set_limit(Object self, Object arguments) {
  int index;
  Py_ssize_t limit;
  if (!PyArg_ParseTuple(arguments, "in", &index, &limit)) return NULL;
  if (index < 0 || index >= devices) return PyErr_Format(PyExc_ValueError, "no device %d", index);
  device_limit[index] = (size_t)limit;
  return done();
}

static Object break_device(Object self, Object unused) {
  broken = 1;
  return done();
}

static Object counters(Object self, Object unused) {
  return Py_BuildValue("llllll", counts.launches, counts.to_device, counts.to_host, counts.on_device,
                       counts.synchronizations, counts.allocations);
}

static Object poison(Object self, Object arguments) {
  Py_ssize_t pointer, size;
  if (!PyArg_ParseTuple(arguments, "nn", &pointer, &size)) return NULL;
  return set_bytes(pointer, 0xFF, (size_t)size, 0);
}

static Object fences(Object self, Object unused) {
  check_fences();
  return done_if_fences_hold();
}

static Object holder_address(Object self, Object unused) { return PyLong_FromVoidPtr((void*)holder); }

static PyMethodDef methods[] = {
    {"start", start, METH_VARARGS, "start(runtime, devices, bytes): name CuPy's runtime module and size the devices"},
    {"names", names, METH_O, "names(module): the functions emulated of \"runtime\" or \"driver\""},
    {"replace", replace, METH_VARARGS, "replace(module, name, capsule): point a capsule to its emulation or a refusal"},
    {"set_limit", set_limit, METH_VARARGS, "set_limit(device, bytes): how much memory a device has"},
    {"break_device", break_device, METH_NOARGS, "fail from now on, as after a kernel's illegal address"},
    {"counters", counters, METH_NOARGS, "what was launched, copied, waited for and allocated so far"},
    {"poison", poison, METH_VARARGS, "poison(pointer, bytes): fill device memory with 0xFF"},
    {"check_fences", fences, METH_NOARGS, "raise where a byte just outside an allocation was written"},
    {"holder_address", holder_address, METH_NOARGS, "the address of `holder`, for the emulated cuBLAS"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "emulated_runtime", NULL, -1, methods};

PyMODINIT_FUNC PyInit_emulated_runtime(void) { return PyModule_Create(&definition); }
