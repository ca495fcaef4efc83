"""A model that does not repeat its predictions is neither served nor built into a bento."""

from collections.abc import Callable

from helpers import Project, free_port, train


def test_service_with_a_model_that_does_not_repeat_stops_with_one_sentence(
    project: Project, edited: Callable[[str, str, str], None]
) -> None:
    predict = "return trees.predict(matrix)"
    # what another version of a library might do
    moved = f'import os\n        {predict} + float(os.environ.get("SHIFT", 0))'
    edited("bike_demand/model.py", predict, moved)
    model = train(project)
    try:
        port = str(free_port())
        for args in (["serve", "--host", "127.0.0.1", "--port", port], ["build"]):
            output = project.run("bentoml", *args, code=1, SHIFT="0.5")
            assert output.count(f"{model} does not predict what it predicted when it was made") == 1, output
            assert "Traceback" not in output
    finally:
        project.run("bentoml", "models", "delete", model, "--yes")
