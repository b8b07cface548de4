"""The folder transport: one file a message, whole, private, and the same file when it is sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.mail.envelope import Envelope, NotStarted
from reminders.mail.folder import FolderTransport

ENVELOPE = Envelope("reminders@example.org", "amina@example.org")


def message(number: int = 1, subject: str = "Course Tue 12 Feb 2019: Café") -> bytes:
    date = "Fri, 07 Dec 2018 09:00:00 +0000"
    return f"Subject: {subject}\r\nDate: {date}\r\nMessage-ID: <{number}@example.org>\r\n\r\nHello\r\n".encode()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_a_message_is_a_private_file_named_after_date_subject_and_id(tmp_path: Path) -> None:
    folder = FolderTransport(tmp_path / "outbox")
    accepted = await folder.send(message(), ENVELOPE, yes, lambda: True)
    (file,) = files(tmp_path / "outbox")
    assert file.name.startswith("2018-12-07-0900-course-tue-12-feb-2019-caf")
    assert file.suffix == ".eml"
    assert file.name in accepted.reply
    assert file.read_bytes() == message()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_the_same_message_again_is_the_same_file(tmp_path: Path) -> None:
    folder = FolderTransport(tmp_path)
    for _ in range(3):
        await folder.send(message(), ENVELOPE, yes, lambda: True)
    await folder.send(message(2), ENVELOPE, yes, lambda: True)
    await folder.close()
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("subject", ["../../etc/passwd", "", "x" * 300, "Ωμέγα", "a/b\\c"])
async def test_no_subject_leads_out_of_the_folder(tmp_path: Path, subject: str) -> None:
    await FolderTransport(tmp_path).send(message(subject=subject), ENVELOPE, yes, lambda: True)
    (file,) = files(tmp_path)
    assert file.read_bytes() == message(subject=subject)


async def test_a_message_stopped_by_the_caller_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(NotStarted):
        await FolderTransport(tmp_path).send(message(), ENVELOPE, no, lambda: True)
    assert not files(tmp_path)


async def test_a_folder_that_cannot_be_had_is_a_fault_of_the_transport(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeliveryError) as failure:
        await FolderTransport(tmp_path / "file" / "outbox").open()
    assert (failure.value.phase, failure.value.verdict) == ("connect", Verdict.PAUSE)
