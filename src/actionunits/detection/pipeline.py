"""Stages that overlap: an iterator that runs ahead of its consumer in a thread, by a bounded number of items."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_JOIN_TIMEOUT_S = 10.0  # a source that hangs (a webcam that was unplugged) must not hang the program


def bounded(iterable: Iterable[T], size: int) -> BoundedIterator[T]:
    """Items of `iterable`, in order, produced in a background thread at most `size` items ahead.

    An exception of the source is raised here after the items that came before it. Leaving early (close, the end
    of a `with` block, or dropping the last reference) stops the thread and closes the source in it.
    """
    return BoundedIterator(iterable, size)


class _Channel(Generic[T]):
    """Hand-over between the producing thread and the consumer."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: deque[T] = deque()
        self.error: BaseException | None = None
        self.finished = False  # the source has ended or failed
        self.stopped = False  # the consumer has left
        self.changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Add an item once there is room; False when nobody wants it any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.items) < self.size)
            if not self.stopped:
                self.items.append(item)
                self.changed.notify_all()
            return not self.stopped

    def get(self) -> T:
        """The next item; raises the source's error, or StopIteration, once all items are taken."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or self.finished or len(self.items) > 0)
            if self.items and not self.stopped:
                item = self.items.popleft()
                self.changed.notify_all()
                return item
            error, self.error = self.error, None
            if error is not None and not self.stopped:
                raise error
            raise StopIteration

    def finish(self, error: BaseException | None) -> None:
        with self.changed:
            self.finished, self.error = True, error
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.items.clear()
            self.changed.notify_all()


def _produce(iterable: Iterable[T], channel: _Channel[T]) -> None:
    """Body of the thread; it knows the channel alone, so that a dropped BoundedIterator can be collected."""
    error: BaseException | None = None
    try:
        iterator = iter(iterable)
        try:
            for item in iterator:
                if not channel.put(item):
                    break
                del item  # do not keep an item alive while the next one is made
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except BaseException as caught:
        error = caught
    channel.finish(error)


def _stop(channel: _Channel[T], thread: threading.Thread) -> None:
    channel.stop()
    if thread is not threading.current_thread():
        thread.join(_JOIN_TIMEOUT_S)


class BoundedIterator(Iterator[T]):
    """What `bounded` returns: an iterator and context manager."""

    def __init__(self, iterable: Iterable[T], size: int) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self._channel: _Channel[T] = _Channel(size)
        thread = threading.Thread(target=_produce, args=(iterable, self._channel), name="bounded", daemon=True)
        thread.start()  # first: where that fails, there is nothing to stop
        # Runs once: on close, when the last reference goes, or at the latest when the interpreter ends.
        self._finalizer = weakref.finalize(self, _stop, self._channel, thread)

    def __next__(self) -> T:
        return self._channel.get()

    def close(self) -> None:
        """Stop the thread and wait for it; items not yet taken are dropped."""
        self._finalizer()

    def __enter__(self) -> BoundedIterator[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
