# JavaScriptCore by its C interface.
import ctypes, glob
js = ctypes.CDLL(sorted(glob.glob('/usr/lib/*/libjavascriptcoregtk-6.0.so.1'))[0])
p = ctypes.c_void_p
for f in ('JSGlobalContextCreate', 'JSStringCreateWithUTF8CString', 'JSEvaluateScript', 'JSValueToStringCopy'): getattr(js, f).restype = p
js.JSStringGetUTF8CString.restype = ctypes.c_size_t
context = p(js.JSGlobalContextCreate(None))
script = p(js.JSStringCreateWithUTF8CString(open('jit-plain.js', 'rb').read()))
error = p()
value = js.JSEvaluateScript(context, script, None, None, 1, ctypes.byref(error))
text = ctypes.create_string_buffer(1 << 16)
js.JSStringGetUTF8CString(p(js.JSValueToStringCopy(context, p(value or error.value), None)), text, ctypes.c_size_t(len(text)))
print(text.value.decode())
