"""`SummaryWriter`: each method fills in a message and appends it to the run's file, under a tag, with a step and the time.

A file is only ever appended to, by a thread of its own (`EventFileWriter`, of the package `tensorboard`): each record has a checksum, so that
one cut off by a crash costs itself only. `flush` waits until all is on the disk. Read next: `summary.py`, the messages.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog, TaggedRunMetadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from . import pictures, projector, summary
from .hparams import hparams
from .summary import as_array


class FileWriter:
    """One event file in a folder, which is made if it is not there."""

    def __init__(
        self, log_dir: str | os.PathLike[str], max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.event_writer.get_logdir()

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Append an event; walltime: seconds since 1970, now if not given."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """Append an event that holds a summary."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile: tuple[Any, Any], walltime: float | None = None) -> None:
        """Append a graph and what was measured of it."""
        graph, measured = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        told = TaggedRunMetadata(tag="step1", run_metadata=measured.SerializeToString())
        self.add_event(Event(tagged_run_metadata=told), None, walltime)

    def flush(self) -> None:
        """Return once all events are in the file."""
        self.event_writer.flush()

    def close(self) -> None:
        """Flush, and write no more."""
        self.event_writer.close()

    def reopen(self) -> None:
        """After `close`: go on, in another file of the folder."""
        self.event_writer.reopen()


class SummaryWriter:
    """Writes what TensorBoard shows into a folder: `tensorboard --logdir runs`.

    log_dir: the run's folder, runs/DATE_HOST with `comment` behind it if not given. purge_step: what an earlier, crashed process wrote to
    this folder at this step or later is not shown. max_queue, flush_secs: how many events may wait for the disk, and how long.
    filename_suffix: the end of the event file's name. Use it as a context manager, or close it: what waits is lost when a process ends.

    >>> import tempfile
    >>> with SummaryWriter(tempfile.mkdtemp()) as writer:
    ...     for step in range(3):
    ...         writer.add_scalar("loss", 1 / (1 + step), step)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        now = datetime.now().strftime("%b%d_%H-%M-%S")
        self.log_dir = log_dir or os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.purge_step, self.max_queue = purge_step, max_queue
        self.flush_secs, self.filename_suffix = flush_secs, filename_suffix
        self.default_bins = _bins()
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._projector_config = ProjectorConfig()
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """The writer of the run's own file; after `close` a new one."""
        if self.file_writer is None or self.all_writers is None:
            self.file_writer = self._new_writer(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                start = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(step=self.purge_step, file_version="brain.Event:2"))
                self.file_writer.add_event(Event(step=self.purge_step, session_log=start))
                self.purge_step = None
        return self.file_writer

    def _new_writer(self, folder: str | os.PathLike[str]) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _add(self, made: Any, global_step: Any = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(made, global_step, walltime)

    def get_logdir(self) -> str | os.PathLike[str]:
        """The run's folder."""
        return self.log_dir

    # ---- numbers ----

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number: a point of the curve `tag`. It is kept in 32 bits, unless new_style and double_precision are both given."""
        self._add(summary.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several curves in one chart. Each is a run of its own, in a folder of its own, for a chart shows one tag of several runs."""
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            made = summary.scalar(main_tag, value)
            run = f"{folder}/{main_tag.replace('/', '_')}_{tag}"
            if run not in self.all_writers:
                self.all_writers[run] = self._new_writer(run)
            self.all_writers[run].add_summary(made, global_step, walltime)

    def add_tensor(self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """All numbers of a tensor; nothing shows them, a program can read them back."""
        self._add(summary.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How the numbers of a tensor are distributed. bins: "tensorflow" (each a tenth wider than the one before), or what
        `numpy.histogram` takes: "auto", "fd", a number of bins, their ends. max_bins: join neighbours until there are about as many."""
        named = isinstance(bins, str) and bins == "tensorflow"
        self._add(summary.histogram(tag, values, self.default_bins if named else bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that is counted already: the upper end of each bucket, and how many are in it."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError(
                f"each bucket has a limit and a count, got {len(bucket_limits)} bucket_limits and {len(bucket_counts)} bucket_counts"
            )
        made = summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._add(made, global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision against recall, of predicted probabilities and true labels (0 or 1), at up to 127 thresholds."""
        self._add(summary.pr_curve(tag, labels, predictions, num_thresholds, weights), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """The same, counted already; weights: nothing is done with them, as in torch."""
        rows = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall)
        self._add(summary.pr_curve_raw(tag, rows, num_thresholds), global_step, walltime)

    # ---- what one sees, hears and reads ----

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture, of numbers in [0, 1], or in [0, 255] if they are uint8. dataformats: what its dimensions are (CHW, HWC, HW, …)."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """A batch of pictures as one, eight in a row."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | str | None = None,
    ) -> None:
        """A picture with boxes: a row of box_tensor (N, 4) is left, top, right, bottom. Labels that are not N are left out, as in torch."""
        names = [labels] if isinstance(labels, str) else labels
        names = names if names is not None and len(names) == len(box_tensor) else None
        self._add(pictures.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats, names), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """A figure of matplotlib as a picture; a list of them (of one size) as a grid. close: close it then."""
        if isinstance(figure, list):
            several = np.stack([pictures.of_figure(each, close) for each in figure])
            self.add_images(tag, several, global_step, walltime)
        else:
            self.add_image(tag, pictures.of_figure(figure, close), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Sound of one channel, (1, L), in [−1, 1]; sample_rate in Hz."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None) -> None:
        """A text in Markdown."""
        self._add(summary.text(tag, text_string), global_step, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Points in space, (B, N, 3); their colors in [0, 255], (B, N, 3); triangles as indices of points, (B, M, 3)."""
        self._add(summary.mesh(tag, vertices, colors, faces, config_dict), global_step, walltime)

    # ---- the model, its hyperparameters, its embeddings ----

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """What a module computes, in evaluation mode, from these inputs: a box for each module and each op, with the shapes.

        verbose: print the graph too. use_strict_trace: refuse a list or dict as the result. See `graph.py`.
        """
        from .graph import graph

        self._get_file_writer().add_graph(graph(model, input_to_model, verbose, use_strict_trace))

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """A row of the table of runs: hyperparameters and what came of them, in a run of its own (run_name, the time if not given)."""
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        made = hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(folder) as writer:
            for message in made:
                writer._add(message, global_step)
            for tag, value in metric_dict.items():
                writer.add_scalar(tag, value, global_step)

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """N points of D dimensions, (N, D), for the projector; for each a label (a list of them under a metadata_header) and a picture,
        (N, C, H, W)."""
        logdir = self._get_file_writer().get_logdir()
        info = projector.write_files(logdir, as_array(mat), metadata, label_img, global_step or 0, tag, metadata_header)
        self._projector_config.embeddings.append(info)
        projector.write_configuration(logdir, self._projector_config)

    # ---- charts of several scalars ----

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Which scalars share a chart: {category: {title: ["Multiline" or "Margin", tags]}}; once in a writer's life."""
        self._add(summary.custom_scalars(layout))

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart with these curves."""
        self._add(summary.custom_scalars({category: {title: ["Multiline", tags]}}))

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of a curve between two others: tags are the value, its lower and its upper bound."""
        self._add(summary.custom_scalars({category: {title: ["Margin", tags]}}))

    # ---- the ends ----

    def flush(self) -> None:
        """Return once all is in the files."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Flush and close; the next `add_…` begins another file in the same folder."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.close()


def _bins() -> list[float]:
    """The ends of TensorFlow's bins: 0, and from 1e-12 on each a tenth further away from it, on both sides."""
    ends = []
    end = 1e-12
    while end < 1e20:
        ends.append(end)
        end *= 1.1
    return [-x for x in reversed(ends)] + [0, *ends]
