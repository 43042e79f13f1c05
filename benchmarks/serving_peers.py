"""The same three models behind other servers, for ``serving.py --peers DIR``. Each runs in an environment of its own.

    python serving_peers.py PEER MODEL DATA.parquet PORT      (in that environment; serving.py does it)

A peer serves what its users would give it: a scikit-learn pipeline (or LightGBM's estimator) over a pandas frame of one
row, by its own documented way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

LIBRARIES = ("scikit-learn", "lightgbm", "pandas", "pyarrow")
PEERS: dict[str, tuple[str, ...]] = {
    "mlflow": ("mlflow",),
    "bentoml": ("bentoml",),
    "litserve": ("litserve",),
    "litserve-batching": ("litserve",),
    "mlserver": ("mlserver",),
    "ray": ("ray[serve]",),
}
ROUTES = {
    "mlflow": "/invocations",
    "bentoml": "/predict",
    "litserve": "/predict",
    "litserve-batching": "/predict",
    "mlserver": "/v2/models/bench/infer",
    "ray": "/",
}


def commands(
    peers: Path, only: list[str] | None, kind: str, data: Path, port: int, row: bytes
) -> dict[str, tuple[list[str], str, bytes]]:
    """For each peer that installs: its command, its URL and its body."""
    found = {}
    for name, packages in PEERS.items():
        if only and name not in only:
            continue
        try:
            python = _environment(peers / packages[0].partition("[")[0], packages)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"  {name}: left out: {error}")
            continue
        command = [python, __file__, name, kind, str(data), str(port)]
        found[name] = (command, f"http://127.0.0.1:{port}{ROUTES[name]}", body_for(name, row))
    return found


def body_for(name: str, row: bytes) -> bytes:
    """One row as the peer takes it."""
    values = json.loads(row)
    if name == "mlflow":
        return json.dumps({"dataframe_records": [values]}).encode()
    if name == "bentoml":
        return json.dumps({"row": values}).encode()
    if name == "mlserver":
        inputs = [
            {
                "name": key,
                "shape": [1, 1],
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "data": [value],
                **({"parameters": {"content_type": "str"}} if isinstance(value, str) else {}),
            }
            for key, value in values.items()
        ]
        return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()
    return row


def _environment(home: Path, packages: tuple[str, ...]) -> str:
    """The interpreter of the peer's own environment, made on first use."""
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--no-input", *packages, *LIBRARIES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1_800, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1][:160])
        (home / "ready").touch()
    return str(python)


# in the peer's own environment


def fitted(kind: str, data: str) -> Any:
    """The model, trained on the same rows, over a pandas frame; trained once, then read from its file."""
    import joblib
    import pandas as pd

    kept = _kept(kind, data).with_suffix(".joblib")
    if kept.exists():
        return joblib.load(kept)
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.read_parquet(data).head(15_000)
    X, y = frame.drop(columns="y"), frame["y"].astype(int)
    categories = [name for name in X if name.startswith("c")]
    numbers = [name for name in X if name.startswith("n")]
    prepare = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), categories), (StandardScaler(), numbers))
    model = make_pipeline(prepare, _estimator(kind)).fit(X, y)
    joblib.dump(model, kept)
    return model


def _kept(kind: str, data: str) -> Path:
    """Where this environment keeps what it trained, beside the data: a start is then timed without training."""
    return Path(data).with_name(f"{Path(sys.prefix).name}-{kind}")


def _estimator(kind: str) -> Any:
    if kind == "linear":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=500)
    if kind == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(100, min_samples_leaf=2, random_state=0)
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=200, verbosity=-1, random_state=0)


def _become(program: Path, *arguments: str) -> None:
    """Go on as another program, which finds those of its environment first."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.execv(program, [str(program), *arguments])  # noqa: S606


def mlflow(kind: str, data: str, port: int) -> None:
    """``mlflow models serve``."""
    folder = _kept(kind, data)
    if not folder.exists():
        import mlflow.sklearn

        model, how = fitted(kind, data), {"serialization_format": "cloudpickle", "pyfunc_predict_fn": "predict_proba"}
        mlflow.sklearn.save_model(model, folder, **how)
    command = ["-m", "mlflow", "models", "serve", "-m", str(folder), "-p", str(port), "--env-manager", "local"]
    _become(Path(sys.executable), *command)


def bentoml(kind: str, data: str, port: int) -> None:
    """A BentoML service."""
    folder = Path(tempfile.mkdtemp())
    (folder / "service.py").write_text(
        "from __future__ import annotations\n"
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import bentoml, pandas as pd\n"
        "from serving_peers import fitted\n"
        "@bentoml.service(workers=1)\n"
        "class Bench:\n"
        "    def __init__(self) -> None:\n"
        f"        self.model = fitted({kind!r}, {data!r})\n"
        "    @bentoml.api\n"
        "    def predict(self, row: dict) -> list:\n"
        "        return self.model.predict_proba(pd.DataFrame([row])).tolist()\n"
    )
    os.chdir(folder)
    _become(Path(sys.executable), "-m", "bentoml", "serve", "service:Bench", "--port", str(port))


def litserve(kind: str, data: str, port: int, *, batch: int = 1) -> None:
    """A LitServe API, whose worker processes must find it in a file of its own."""
    folder = Path(tempfile.mkdtemp())
    settings = f"max_batch_size={batch}, batch_timeout=0.002" if batch > 1 else ""
    (folder / "api.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import litserve as ls, pandas as pd\n"
        "from serving_peers import fitted\n"
        "class Api(ls.LitAPI):\n"
        "    def setup(self, device):\n"
        f"        self.model = fitted({kind!r}, {data!r})\n"
        "    def decode_request(self, request):\n"
        "        return request\n"
        "    def batch(self, rows):\n"
        "        return rows\n"
        "    def unbatch(self, outputs):\n"
        "        return list(outputs)\n"
        "    def predict(self, rows):\n"
        "        many = isinstance(rows, list)\n"
        "        said = self.model.predict_proba(pd.DataFrame(rows if many else [rows]))\n"
        "        return said if many else said[0]\n"
        "    def encode_response(self, output):\n"
        "        return {'probabilities': output.tolist()}\n"
        "if __name__ == '__main__':\n"
        f"    server = ls.LitServer(Api({settings}), accelerator='cpu')\n"
        f"    server.run(port={port}, generate_client_file=False, log_level='error')\n"
    )
    os.chdir(folder)
    _become(Path(sys.executable), "api.py")


def mlserver(kind: str, data: str, port: int) -> None:
    """MLServer with a runtime of a few lines."""
    folder = Path(tempfile.mkdtemp())
    (folder / "bench.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from mlserver import MLModel\n"
        "from mlserver.codecs import NumpyRequestCodec, PandasCodec\n"
        "from serving_peers import fitted\n"
        "class Bench(MLModel):\n"
        "    async def load(self):\n"
        f"        self.model = fitted({kind!r}, {data!r})\n"
        "        return True\n"
        "    async def predict(self, payload):\n"
        "        frame = self.decode_request(payload, default_codec=PandasCodec)\n"
        "        return NumpyRequestCodec.encode_response(self.name, self.model.predict_proba(frame))\n"
    )
    (folder / "model-settings.json").write_text(json.dumps({"name": "bench", "implementation": "bench.Bench"}))
    settings = {
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    _become(Path(sys.executable).parent / "mlserver", "start", str(folder))


def ray(kind: str, data: str, port: int) -> None:
    """A Ray Serve deployment."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import pandas as pd
    from ray import serve

    @serve.deployment
    class Bench:
        def __init__(self) -> None:
            sys.path.insert(0, str(Path(__file__).parent))
            self.model = fitted(kind, data)

        async def __call__(self, request: Any) -> Any:
            return self.model.predict_proba(pd.DataFrame([await request.json()])).tolist()

    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Bench.bind(), blocking=True)


def main() -> None:
    """Serve as the peer that is named."""
    name, kind, data, port = sys.argv[1:]
    if name == "litserve-batching":
        litserve(kind, data, int(port), batch=16)
    else:
        {"mlflow": mlflow, "bentoml": bentoml, "litserve": litserve, "mlserver": mlserver, "ray": ray}[name](
            kind, data, int(port)
        )


if __name__ == "__main__":
    main()
