// SPDX-License-Identifier: Apache-2.0
/*
 * Where Python looks for modules below the app's folder: in the verified code alone, by a path hook
 * of ours that comes before Python's own. What the app (or whoever holds its disk) has put beside
 * the code is never imported: no module, no package, no byte code, no extension. Names and __file__
 * stay those below the app's folder. What the app itself opens and executes is its own affair.
 */
#include "serve/internal.h"

static const char finder_code[] =
    "def guard(module, code):\n"
    "    import os, sys\n"
    "    import _frozen_importlib_external as machinery\n"
    "    from _imp import extension_suffixes\n"
    "    def moved(path, old, new):\n"
    "        inside = path == old or path.startswith(old + '/')\n"
    "        return new + path[len(old):] if inside else path\n"
    "    def to_code(path):\n"
    "        return moved(path, module, code)\n"
    "    def to_module(path):\n"
    "        return moved(path, code, module)\n"
    "    class SourceLoader(machinery.SourceFileLoader):\n"
    "        def path_stats(self, path):\n"
    "            return super().path_stats(to_code(path))\n"
    "        def get_data(self, path):\n"
    "            return super().get_data(to_code(path))\n"
    "        def set_data(self, path, data, *, _mode=0o666):\n"
    "            pass\n"
    "    class SourcelessLoader(machinery.SourcelessFileLoader):\n"
    "        def get_data(self, path):\n"
    "            return super().get_data(to_code(path))\n"
    /* ld.so looks for libraries of theirs beside them ($ORIGIN), so not below the app's folder */
    "    class ExtensionLoader(machinery.ExtensionFileLoader):\n"
    "        def create_module(self, spec):\n"
    "            place = type(spec)(spec.name, self, origin=to_code(spec.origin))\n"
    "            module = super().create_module(place)\n"
    "            module.__file__ = spec.origin\n"
    "            return module\n"
    "    loaders = ((ExtensionLoader, extension_suffixes()),\n"
    "               (SourceLoader, machinery.SOURCE_SUFFIXES),\n"
    "               (SourcelessLoader, machinery.BYTECODE_SUFFIXES))\n"
    "    class CodeFinder(machinery.FileFinder):\n"
    "        def find_spec(self, fullname, target=None):\n"
    "            spec = super().find_spec(fullname, target)\n"
    "            if spec is None:\n"
    "                return None\n"
    "            if spec.submodule_search_locations is not None:\n"
    "                places = [to_module(place) for place in spec.submodule_search_locations]\n"
    "                spec.submodule_search_locations = places\n"
    "            if spec.loader is not None:\n"
    "                spec.origin = spec.loader.path = to_module(spec.origin)\n"
    "            return spec\n"
    /* an archive on the path is read by Python's own importer, from the code's bytes */
    "    def is_archive(path):\n"
    "        while path.startswith(code) and not os.path.exists(path):\n"
    "            path = os.path.dirname(path)\n"
    "        return os.path.isfile(path)\n"
    "    def hook(path):\n"
    "        for place in (os.path.abspath(path), os.path.realpath(path)):\n"
    "            if place == module or place.startswith(module + '/'):\n"
    "                if is_archive(to_code(place)):\n"
    "                    break\n"
    "                return CodeFinder(to_code(place), *loaders)\n"
    "        raise ImportError('not below the folder of the app', path=path)\n"
    "    sys.path_hooks.insert(0, hook)\n"
    "    sys.path_importer_cache.clear()\n";

int finder_install(const char *module_path, const char *code_path, struct err *err)
{
    AUTO_OBJECT PyObject *names = PyDict_New();
    AUTO_OBJECT PyObject *module = PyUnicode_DecodeFSDefault(module_path);
    AUTO_OBJECT PyObject *code = PyUnicode_DecodeFSDefault(code_path);
    if (names == NULL || module == NULL || code == NULL)
        return interpreter_fail(err, true, "cannot prepare Python");
    AUTO_OBJECT PyObject *done = PyRun_String(finder_code, Py_file_input, names, names);
    PyObject *guard = done == NULL ? NULL : PyDict_GetItemString(names, "guard");
    AUTO_OBJECT PyObject *result =
        guard == NULL ? NULL : PyObject_CallFunctionObjArgs(guard, module, code, NULL);
    return result == NULL ? interpreter_fail(err, true, "cannot prepare Python") : 0;
}
