"""MLflow."""

import time
from collections.abc import Mapping
from typing import Any

from hasten.base.errors import BadInput, error_text
from hasten.base.optional import attribute_of
from hasten.pipeline.loggers.logger import Run, missing

_FOLDER = "hasten.run"


class MLflow:
    """Writes a run to a tracking store, in the experiment with the name of the task; a resumed run goes on.

    Args:
        place: tracking URI, such as sqlite:///mlflow.db or http://localhost:5000.
        run: the training.

    Raises:
        BadInput: if mlflow is not installed, or the store cannot be opened.
    """

    def __init__(self, place: str, run: Run) -> None:
        client = attribute_of(["mlflow.tracking"], "MlflowClient", missing=missing("mlflow"))
        metric = attribute_of(["mlflow.entities"], "Metric", missing=missing("mlflow"))
        try:
            self._client = client(tracking_uri=place)
            self._run_id = _begun(self._client, run)
        except Exception as error:
            raise BadInput(f"MLflow cannot use {place}: {error_text(error)}. Pass --log mlflow:URI.") from error
        self._metric: Any = metric

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note values after a step."""
        now_ms = int(1000 * time.time())
        self._client.log_batch(
            self._run_id, [self._metric(name, value, now_ms, step) for name, value in values.items()]
        )

    def close(self) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self._run_id)


def _begun(client: Any, run: Run) -> str:
    """Return the id of the run in the store, which is made if it is not there."""
    name = str(run.parameters["task"])
    experiment = client.get_experiment_by_name(name)
    number = client.create_experiment(name) if experiment is None else experiment.experiment_id
    for earlier in client.search_runs([number], f"tags.`{_FOLDER}` = '{run.name}'"):
        client.update_run(earlier.info.run_id, status="RUNNING")
        return earlier.info.run_id
    made = client.create_run(number, run_name=run.name, tags={_FOLDER: run.name})
    for key, value in run.parameters.items():
        client.log_param(made.info.run_id, key, value)
    return made.info.run_id
