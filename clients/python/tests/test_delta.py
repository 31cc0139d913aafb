"""Payloads that come as differences."""

import json
import unittest
import zlib
from pathlib import Path

from rialto import v1
from rialto._delta import Deltas, Unmade, inflate

VECTORS = Path(__file__).parents[3] / "tests" / "conformance" / "delta" / "vectors.json"


def event(id: str, key: str, text: str) -> v1.Event:
    content = v1.Content(event="moved", key=key, text=text)
    return v1.Event(namespace="chat", rooms=["a"], event_id=id, content=content)


def deflate(base: bytes, payload: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=base[-(32 << 10) :])
    return stream.compress(payload) + stream.flush()


def difference(id: str, key: str, base: tuple[str, str], text: str) -> v1.Event:
    made = event(id, key, "")
    made.content.ClearField("text")
    made.delta.CopyFrom(
        v1.Delta(base_event_id=base[0], data=deflate(base[1].encode(), text.encode()), text=True)
    )
    return made


class DeltasTest(unittest.TestCase):
    def test_a_difference_becomes_the_payload_that_was_sent(self) -> None:
        deltas = Deltas()
        deltas.restore(event("1", "k", "hello you"))
        second = difference("2", "k", ("1", "hello you"), "hello you and me")
        deltas.restore(second)
        self.assertEqual(second.content.text, "hello you and me")
        self.assertFalse(second.HasField("delta"))
        third = difference("3", "k", ("2", "hello you and me"), "bye")
        deltas.restore(third)
        self.assertEqual(third.content.text, "bye")

    def test_without_its_base_a_difference_is_nothing(self) -> None:
        deltas = Deltas()
        deltas.restore(event("1", "k", "hello"))
        for id, key in (("0", "k"), ("1", "other")):
            with self.assertRaises(Unmade):
                deltas.restore(difference("2", key, (id, "hello"), "hello you"))
        deltas.forget()
        with self.assertRaises(Unmade):
            deltas.restore(difference("2", "k", ("1", "hello"), "hello you"))

    def test_what_is_no_difference_is_turned_down(self) -> None:
        whole = deflate(b"hello", b"hello you, how are you today?")
        for data in (b"", b"\xff\xff\xff", whole[:-3]):
            with self.assertRaises(Unmade):
                inflate(b"hello", data)

    def test_text_that_is_not_utf_8_is_turned_down(self) -> None:
        deltas = Deltas()
        deltas.restore(event("1", "k", "hello"))
        changed = difference("2", "k", ("1", "hello"), "")
        changed.delta.data = deflate(b"hello", b"\xff\xfe")
        with self.assertRaises(Unmade):
            deltas.restore(changed)

    def test_a_small_difference_cannot_make_a_boundless_payload(self) -> None:
        largest = b"0" * (1 << 20)
        self.assertEqual(inflate(b"", deflate(b"", largest)), largest)
        with self.assertRaises(Unmade):
            inflate(b"", deflate(b"", largest + b"0"))

    def test_what_is_remembered_is_bounded(self) -> None:
        deltas = Deltas()
        large = "x" * (40 << 10)
        for number in range(4200):
            deltas.restore(event("1", str(number), large if number % 2 else "small"))
        self.assertLessEqual(len(deltas._bases), 4096)
        self.assertLessEqual(deltas._bytes, 16 << 20)
        self.assertEqual(deltas._bytes, sum(len(base.dictionary) for base in deltas._bases.values()))

    def test_the_vectors_of_the_server_are_read(self) -> None:
        for vector in json.loads(VECTORS.read_text()):
            base, delta, payload = (bytes.fromhex(vector[part]) for part in ("base", "delta", "payload"))
            self.assertEqual(inflate(base[-(32 << 10) :], delta), payload, vector["name"])


if __name__ == "__main__":
    unittest.main()
