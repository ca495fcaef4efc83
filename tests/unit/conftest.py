from fixtures import demand, loop_image, probe  # noqa: F401
