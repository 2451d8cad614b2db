import gzip
import io
import lzma
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.members import list_members, read_members

FILES = {"a/one.txt": b"1" * 700, "a/two.txt": b"", "b/c/three.txt": b"333" * 512}


def tar_bytes(files, **options):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def contents(path):
    members = list_members(path).files
    return {members[place].name: content for place, content in read_members(members)}


@pytest.mark.parametrize(
    ("name", "compress"), [("x.tar", bytes), ("x.tar.gz", gzip.compress), ("x.tar.xz", lzma.compress)]
)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_reads_like_the_folder_it_was_made_from(tmp_path, name, compress, form):
    folder = tmp_path / "folder"
    files = dict(FILES)
    if form != tarfile.USTAR_FORMAT:
        files["long/" + "n" * 150 + ".txt"] = b"long names take headers of their own"
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    (tmp_path / name).write_bytes(compress(tar_bytes(files, format=form)))
    assert contents(tmp_path / name) == contents(folder) == files
    assert list_members(tmp_path / name).folders == list_members(folder).folders
    assert str(list_members(folder).files[0]) == str(folder / "a/one.txt")
    assert str(list_members(tmp_path / name).files[0]) == f"{tmp_path / name}: a/one.txt"


def test_a_folder_of_archives_is_all_of_them(tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.tar").write_bytes(tar_bytes({f"x/{number}.txt": b"%d" % number}))
    (tmp_path / "README").write_text("read me")
    assert contents(tmp_path) == {"x/1.txt": b"1", "x/2.txt": b"2"}


def test_any_order_of_members_can_be_asked_for(tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes(FILES)))
    members = list_members(path).files[::-1][:2]
    assert {members[place].name: content for place, content in read_members(members)} == {
        name: FILES[name] for name in ("a/two.txt", "b/c/three.txt")
    }


def test_hidden_files_and_junk_are_passed_over(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(FILES | {"a/.DS_Store": b"x", "__MACOSX/a/one.txt": b"x", "./b/Thumbs.db": b"x"}))
    assert contents(path) == FILES


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_to_headers_or_length_makes_files_vanish(tmp_path_factory, data):
    whole = tar_bytes(FILES)
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    headers = [0, 512 + 1024, 512 + 1024 + 512]
    if data.draw(st.booleans()):
        byte = data.draw(st.integers(0, 499).filter(lambda byte: byte != 155))  # the sum's last byte is filling
        place = data.draw(st.sampled_from(headers)) + byte
        damaged = bytearray(whole)
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
        content = bytes(damaged)
    else:
        # the end mark is 1024 bytes of zeros and padding: what is lost of it beyond its first block does not matter
        content = whole[: data.draw(st.integers(0, 512 + 1024 + 512 + 512 + 1536 + 511))]
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"x.tar must"):
        contents(path)


@pytest.mark.parametrize("cut", [1, 8, 100])
@pytest.mark.parametrize(("name", "compress"), [("x.tar.gz", gzip.compress), ("x.tar.xz", lzma.compress)])
def test_a_compressed_archive_that_is_cut_or_flipped_is_named(tmp_path, name, compress, cut):
    whole = compress(tar_bytes(FILES))
    flipped = bytearray(whole)
    flipped[-cut - 4] ^= 4
    for content in (whole[:-cut], bytes(flipped)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=rf"{name} must be a whole tar archive; found it cut off or damaged"):
            contents(tmp_path / name)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "a\\..\\evil.txt", "C:/evil.txt"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(FILES | {name: b"x"}))
    with pytest.raises(BadInput, match="only paths inside its own folder; found"):
        list_members(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("link.txt")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BadInput, match=r"found 'link.txt', a link or a device"):
        list_members(path)


def test_a_path_held_twice_is_refused(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes({"a.txt": b"1", "./a.txt": b"2"}))
    with pytest.raises(BadInput, match=r"found a.txt twice"):
        list_members(path)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK")
    with pytest.raises(BadInput, match=r"a folder or a tar archive .* found a file of another kind"):
        list_members(tmp_path / "x.zip")
    with pytest.raises(BadInput, match="found nothing there"):
        list_members(tmp_path / "y.tar")


def test_an_archive_that_changed_since_it_was_listed_is_named(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(FILES))
    members = list_members(path).files
    path.write_bytes(tar_bytes({"a/one.txt": b"1"})[:1024])
    with pytest.raises(BadInput, match="must be readable as when it was listed; found: 512 of 700 bytes"):
        list(read_members(members))
