"""The programs of the documents run as they stand there, against a real node."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from node import THERE_IS_ONE, node

CLIENT = Path(__file__).parent.parent
DOCUMENTS = (CLIENT / "README.md", CLIENT.parent.parent / "docs" / "clients" / "python.md")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:7400"
PATIENCE = 30


@unittest.skipUnless(THERE_IS_ONE, "there is neither RIALTO_URL nor RIALTO_BIN")
class DocumentsTest(unittest.TestCase):
    def test_every_program_runs(self) -> None:
        for document in DOCUMENTS:
            programs = PROGRAM.findall(document.read_text(encoding="utf-8"))
            self.assertTrue(programs, document)
            with self.subTest(document.name), node() as url:
                self.run_all([program.replace(ADDRESS, url) for program in programs])

    def run_all(self, programs: list[str]) -> None:
        """Workers that stop by a signal run beside the others, and are told to stop when those have ended."""
        workers = [start(program) for program in programs if "signals=True" in program]
        try:
            for program in programs:
                if "signals=True" not in program:
                    self.ended_well(start(program), program)
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
                self.ended_well(worker, "a worker")
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()

    def ended_well(self, process: subprocess.Popen[str], program: str) -> None:
        said, complaint = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, complaint), (0, ""), program)
        self.assertNotEqual(said, "", program)


def start(program: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "default", "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    unittest.main()
