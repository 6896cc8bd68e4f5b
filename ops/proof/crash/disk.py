"""A small file system of its own, which can be full."""

import os
import subprocess
from pathlib import Path

SIZE = "400m"


class SmallDisk:
    """A tmpfs at `path`; needs to be root. `fill` leaves not a byte, `free` gives all back."""

    def __init__(self, path: Path, size: str = SIZE) -> None:
        self._path = path
        self._size = size
        self._filler = path / "filler"

    def mount(self, saved: Path | None = None) -> bool:
        """Mount it unless it is, with what an earlier `unmount` saved; whether it is there."""
        self._path.mkdir(parents=True, exist_ok=True)
        if os.path.ismount(self._path):
            self.free()
            return True
        done = subprocess.run(
            ("mount", "-t", "tmpfs", "-o", f"size={self._size},mode=755", "tmpfs", str(self._path)),
            capture_output=True,
            check=False,
        )
        if done.returncode == 0 and saved is not None and saved.exists():
            subprocess.run(("cp", "-a", f"{saved}/.", str(self._path)), check=True)
        return done.returncode == 0

    def unmount(self, saved: Path | None = None) -> None:
        """Give its memory back, with all that is on it, which is copied to `saved` before."""
        if os.path.ismount(self._path):
            if saved is not None:
                subprocess.run(("rm", "-rf", str(saved)), check=True)
                subprocess.run(("cp", "-a", str(self._path), str(saved)), check=True)
            subprocess.run(("umount", "--lazy", str(self._path)), check=False)

    def fill(self) -> None:
        """Take all the room that is left."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        continue
                except OSError:
                    continue

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)
