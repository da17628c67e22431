"""What nft does, by its library: many tests look at the rules again and again, and to start two
programs each time costs more than all else that they do."""

import ctypes
import json
import threading

OUTPUT_JSON = 1 << 4  # NFT_CTX_OUTPUT_JSON of nftables/libnftables.h

_library = ctypes.CDLL("libnftables.so.1")
_library.nft_ctx_new.restype = ctypes.c_void_p
for _name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
    getattr(_library, _name).restype = ctypes.c_char_p
    getattr(_library, _name).argtypes = [ctypes.c_void_p]
for _name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
    getattr(_library, _name).argtypes = [ctypes.c_void_p]
_library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
_library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_one = threading.Lock()  # the library's parser is one for all


def nft(command):
    """In the namespace of this thread; what it says, in JSON where that is to be had."""
    with _one:
        context = _library.nft_ctx_new(0)
        try:
            _library.nft_ctx_buffer_output(context)
            _library.nft_ctx_buffer_error(context)
            _library.nft_ctx_output_set_flags(context, OUTPUT_JSON)
            if _library.nft_run_cmd_from_buffer(context, command.encode()) != 0:
                raise RuntimeError(
                    f"nft {command}: {_library.nft_ctx_get_error_buffer(context).decode()}")
            return _library.nft_ctx_get_output_buffer(context).decode()
        finally:
            _library.nft_ctx_free(context)


def listed(what):
    """What `nft -j list` gives, without what it says of itself."""
    return [item for item in json.loads(nft(f"list {what}"))["nftables"] if "metainfo" not in item]
