import logging
import os
from pathlib import Path

import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, token_file

from partway.errors import InputError
from partway.serving.tokens import Tokens


def test_a_token_is_its_line_s_name_and_others_are_nobody_s(tmp_path: Path) -> None:
    tokens = Tokens(
        token_file(tmp_path / "tokens", "# who", "", f"camera-1\t{TOKEN}  # the door", f"lab {OTHER_TOKEN}")
    )
    assert tokens.name_of(TOKEN) == "camera-1"
    assert tokens.name_of(OTHER_TOKEN) == "lab"
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "camera-1", f"camera-1 {TOKEN}", "\udcff", "é" * 20):
        assert tokens.name_of(wrong) is None


def test_one_name_may_have_two_tokens_while_they_are_replaced(tmp_path: Path) -> None:
    tokens = Tokens(token_file(tmp_path / "tokens", f"camera-1 {TOKEN}", f"camera-1 {OTHER_TOKEN}"))
    assert tokens.name_of(TOKEN) == tokens.name_of(OTHER_TOKEN) == "camera-1"


def test_a_line_that_is_removed_revokes_its_token_without_a_restart(tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens", f"camera-1 {TOKEN}", f"lab {OTHER_TOKEN}")
    tokens = Tokens(path)
    token_file(path, f"lab {OTHER_TOKEN}")
    assert tokens.name_of(TOKEN) is None
    assert tokens.name_of(OTHER_TOKEN) == "lab"
    token_file(path, "# nobody")
    assert tokens.name_of(OTHER_TOKEN) is None


@pytest.mark.parametrize("spoil", ["removed", "open to all", "half a line"])
def test_a_file_that_cannot_be_used_any_more_changes_nothing_and_the_log_says_so(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = token_file(tmp_path / "tokens")
    tokens = Tokens(path)
    if spoil == "removed":
        path.unlink()
    elif spoil == "open to all":
        path.chmod(0o644)
    else:
        token_file(path, TOKEN)
    with caplog.at_level(logging.ERROR):
        assert tokens.name_of(TOKEN) == "camera-1"
    assert "tokens_kept" in caplog.text
    assert TOKEN not in caplog.text


def test_it_is_read_again_on_demand_even_if_it_looks_the_same(tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens", f"camera-1 {TOKEN}")
    tokens = Tokens(path)
    status = path.stat()
    token_file(path, f"camera-2 {TOKEN}")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    tokens.refresh(always=True)
    assert tokens.name_of(TOKEN) == "camera-2"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("camera-1 short", "has 5 characters; take at least 16"),
        (f"camera-1 {TOKEN}é", "characters that no header carries"),
        (TOKEN, "has 1 words; write a name and a token"),
        (f"my camera {TOKEN}", "has 3 words"),
        (f"cam/../era {TOKEN}", "the name in"),
        ("# nothing", "holds no token"),
        (f"a {TOKEN}\nb {TOKEN}", "gives 'b' the token that 'a' has"),
    ],
)
def test_a_line_that_is_none_is_one_sentence_without_the_token(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        Tokens(token_file(tmp_path / "tokens", line))
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = token_file(tmp_path / "tokens")
    path.chmod(mode)
    with pytest.raises(InputError, match=f"mode {mode:04o}.*chmod 600"):
        Tokens(path)
    path.chmod(0o640)
    assert Tokens(path).name_of(TOKEN) == "camera-1"


def test_memory_holds_digests_and_no_token(tmp_path: Path) -> None:
    tokens = Tokens(token_file(tmp_path / "tokens"))
    assert TOKEN not in repr(vars(tokens))
    assert TOKEN.encode() not in repr(vars(tokens)).encode()


def test_a_file_without_end_is_not_read_for_ever(tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens", "#" * (2**20 + 1))
    with pytest.raises(InputError, match="more than 1048576 bytes"):
        Tokens(path)
