# pyright: reportMissingImports=false
"""What TransformerLens makes of exported weights: `torch_lens.py JOB.json`, in its own environment.

A job is an object with `version` (3 or 4), `arguments`, `tokens`, the exported files `weights` (layout
`transformer-lens`), `bridge` (`transformer-lens-4`) and `mingpt`, and a folder `out` for what it writes.
It needs neither JAX nor the library.
"""

import json
import os
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file


os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_grad_enabled(False)


def main(job):
    out = pathlib.Path(job["out"])
    tokens = torch.tensor(job["tokens"])
    save = lambda name, logits: np.save(out / f"{name}.npy", logits.detach().numpy())
    write = lambda name, state: save_file(
        {key: x.detach().clone().contiguous() for key, x in state.items()},
        out / f"{name}.safetensors",
    )
    {3: hooked, 4: bridged}[job["version"]](job, tokens, save, write)


def hooked(job, tokens, save, write):
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_mingpt_weights

    state = load_file(job["weights"])
    build = lambda: HookedTransformer(HookedTransformerConfig(**job["arguments"], device="cpu"))
    model = build()
    loaded = model.load_state_dict(state, strict=False)
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    buffers = [key for key in loaded.missing_keys if key.endswith((".mask", ".IGNORE"))]
    assert buffers == loaded.missing_keys, loaded.missing_keys
    save("plain", model(tokens))
    write("plain", model.state_dict())
    # The library's usual processing: folded norms, centred writes and unembedding.
    model = build()
    model.load_and_process_state_dict(dict(state))
    assert model.cfg.normalization_type == "LNPre"
    save("folded", model(tokens))
    write("folded", model.state_dict())
    # Its own converter of minGPT gives, array for array, what is exported for it.
    if "mingpt" in job:
        converted = convert_mingpt_weights(load_file(job["mingpt"]), model.cfg)
        assert set(converted) == set(state) - {"unembed.b_U"}
        assert all(torch.equal(converted[key], state[key]) for key in converted)


def bridged(job, tokens, save, write):
    from transformer_lens import TransformerBridge, TransformerBridgeConfig
    from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

    config = TransformerBridgeConfig(**job["arguments"], architecture="TransformerLensNative")
    bridge = TransformerBridge.boot_native(config)
    bridge.load_state_dict(convert_tl_checkpoint(load_file(job["weights"]), config), strict=True)
    save("plain", bridge(tokens))
    write("plain", bridge.state_dict())
    direct = TransformerBridge.boot_native(config)
    direct.load_state_dict(load_file(job["bridge"]), strict=True)
    save("direct", direct(tokens))


if __name__ == "__main__":
    main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
