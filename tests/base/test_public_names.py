import hasten


def test_every_public_name_is_there() -> None:
    for name in hasten.__all__:
        assert getattr(hasten, name) is not None
