import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.sources.archive import list_members, read_members

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
        byte = data.draw(
            st.integers(0, 499).filter(lambda byte: byte not in (154, 155))
        )  # they end the checksum: filling
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
    with pytest.raises(BadInput, match=r"found 'link.txt', a link, a device or a sparse file"):
        list_members(path)


def test_a_path_held_twice_is_refused(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes({"a.txt": b"1", "./a.txt": b"2"}))
    with pytest.raises(BadInput, match=r"found a.txt twice"):
        list_members(path)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.rar").write_bytes(b"Rar!")
    with pytest.raises(BadInput, match=r"a folder or an archive .* found a file of another kind"):
        list_members(tmp_path / "x.rar")
    with pytest.raises(BadInput, match="found nothing there"):
        list_members(tmp_path / "y.tar")


def test_an_archive_that_changed_since_it_was_listed_is_named(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(FILES))
    members = list_members(path).files
    path.write_bytes(tar_bytes({"a/one.txt": b"1"})[:1024])
    with pytest.raises(BadInput, match="must be readable as when it was listed; found: 512 of 700 bytes"):
        list(read_members(members))


def test_linked_folders_and_files_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.txt").write_bytes(b"1")
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "2.txt").symlink_to(tmp_path / "real" / "1.txt")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "real", target_is_directory=True)
    assert contents(tmp_path / "data") == {"a/2.txt": b"1", "b/1.txt": b"1"}
    assert list_members(tmp_path / "data").folders == ("a", "b")


def test_a_link_to_a_folder_above_ends(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.txt").write_bytes(b"1")
    (tmp_path / "a" / "b" / "up").symlink_to("..")
    (tmp_path / "top").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    assert contents(tmp_path) == {"a/b/1.txt": b"1"}
    found = {obstacle.name: obstacle.reason for _, obstacle in list_members(tmp_path).obstacles}
    above = "a link to a folder that contains it"
    assert found == {"a/b/up/": above, "top/": above, "itself": "a broken link"}


def test_links_that_multiply_are_refused(tmp_path):
    for depth in range(12):
        (tmp_path / f"{depth}").mkdir()
        for number in range(2):
            (tmp_path / f"{depth}" / f"link{number}").symlink_to(tmp_path / f"{depth + 1}")
    (tmp_path / "12").mkdir()
    with pytest.raises(BadInput, match="is reached through more than 100 links"):
        list_members(tmp_path)


def test_what_is_no_regular_file_is_named_and_not_opened(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_bytes(b"1")
    os.mkfifo(tmp_path / "a" / "fifo.txt")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(tmp_path / "a" / "socket.txt"))
    (tmp_path / "a" / "null.txt").symlink_to("/dev/null")
    (tmp_path / "a" / "gone.txt").symlink_to("nowhere")
    assert contents(tmp_path) == {"a/1.txt": b"1"}
    found = {obstacle.name: (obstacle.reason, obstacle.is_bad) for _, obstacle in list_members(tmp_path).obstacles}
    assert found == {
        "a/fifo.txt": ("a FIFO", False),
        "a/socket.txt": ("a socket", False),
        "a/null.txt": ("a device", False),
        "a/gone.txt": ("a broken link", True),
    }


def zip_bytes(files, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_reads_like_a_tar(tmp_path, compression):
    (tmp_path / "x.zip").write_bytes(zip_bytes(FILES | {"__MACOSX/a": b"x", "empty/": b""}, compression=compression))
    assert contents(tmp_path / "x.zip") == FILES
    assert list_members(tmp_path / "x.zip").folders == ("a", "b", "b/c", "empty")


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a\\..\\evil.txt", "C:/evil.txt"])
def test_a_zip_whose_paths_leave_the_folder_is_refused(tmp_path, name):
    (tmp_path / "x.zip").write_bytes(zip_bytes(FILES | {name: b"x"}))
    with pytest.raises(BadInput, match="only paths inside its own folder; found"):
        list_members(tmp_path / "x.zip")


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="found 'link.txt', a link"):
        list_members(tmp_path / "x.zip")


def test_damage_in_a_zip_is_named(tmp_path):
    whole = zip_bytes(FILES)
    (tmp_path / "x.zip").write_bytes(whole.replace(b"1" * 700, b"1" * 699 + b"2"))
    with pytest.raises(BadInput, match="found: Bad CRC-32"):
        contents(tmp_path / "x.zip")
    for cut in (1, 30, len(whole) // 2):
        (tmp_path / "x.zip").write_bytes(whole[:-cut])
        with pytest.raises(BadInput, match="must be a whole zip archive"):
            contents(tmp_path / "x.zip")


def test_a_zip_whose_directory_lies_about_its_names_is_refused(tmp_path):
    whole = zip_bytes({"a/\u00fc.txt": b"1", "b.txt": b"2"})
    place = whole.rindex("\u00fc".encode())
    for damaged in (whole[:place] + b"\xfc\xfc" + whole[place + 2 :], whole.replace(b"b.txt", b"\x00.txt")):
        (tmp_path / "x.zip").write_bytes(damaged)
        with pytest.raises(BadInput, match="must be a whole zip archive"):
            contents(tmp_path / "x.zip")


def test_a_sparse_file_in_a_tar_is_refused(tmp_path):
    sparse = tarfile.TarInfo("holes.txt")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 512
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(sparse, io.BytesIO(b"x" * 512))
    with pytest.raises(BadInput, match=r"found 'holes.txt', a link, a device or a sparse file"):
        list_members(tmp_path / "x.tar")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize(
    ("name", "opener"), [("x.tar.gz", gzip.open), ("x.tar.xz", lzma.open), ("x.tar.bz2", bz2.open)]
)
def test_a_tar_bomb_is_refused_while_little_of_it_is_decompressed(tmp_path, monkeypatch, name, opener, kind):
    monkeypatch.setattr("hasten.data.sources.decompression.ALWAYS_BYTES", 1 << 20)
    entry = tarfile.TarInfo("zeros.txt")
    entry.type, entry.size = kind, 1 << 24
    with opener(tmp_path / name, "wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(16):
            file.write(bytes(1 << 20))
    reason = "decompresses to more than" if kind == tarfile.REGTYPE else "a name of 16777216 bytes"
    with pytest.raises(BadInput, match=reason):
        list_members(tmp_path / name)


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.sources.decompression.ALWAYS_BYTES", 1 << 20)
    files = {f"a/{number}.txt": bytes(1 << 20) for number in range(8)}
    (tmp_path / "x.zip").write_bytes(zip_bytes(files, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(BadInput, match=r"x.zip decompresses to more than .*, so it was not read"):
        list_members(tmp_path / "x.zip")


def test_a_size_that_a_plain_tar_only_claims_is_damage(tmp_path):
    entry = tarfile.TarInfo("huge.txt")
    entry.size = 1 << 50
    (tmp_path / "x.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(BadInput, match="must be a whole tar archive; found it cut off or damaged"):
        list_members(tmp_path / "x.tar")
