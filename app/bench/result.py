"""What a comparison holds: a row for each engine, and what is said of those that have none."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One engine on one work.

    Attributes
    ----------
    engine, title, precision : str
    threads : int
    seconds : list of float
        Of every round.
    median_seconds : float
    times_karat : dict of str to float
        How many times as long as karat's engines it takes.
    psnr_db : float or None
        Against the float64 reference; None when nothing differs.
    memory_bytes, predicted_bytes : int or None
        Growth in a child process, and what the engine said before.
    gflops_per_second : float
    percent_of_peak : float or None
        Of the peak of its threads in its precision; None where that was not measured.
    slow : list of str
        Layers that karat runs on a slow path.
    """

    engine: str
    title: str
    precision: str
    threads: int
    seconds: list[float]
    median_seconds: float
    times_karat: dict[str, float]
    psnr_db: float | None
    memory_bytes: int | None
    predicted_bytes: int | None
    gflops_per_second: float
    percent_of_peak: float | None
    slow: list[str]


@dataclass
class Work:
    """All engines on one network and one picture; what could not take part or failed is said, with the reason."""

    network: str
    size: tuple[int, int]
    scale: float
    threads: int
    flops: dict[str, int]
    compared_size: tuple[int, int]
    rows: list[Row] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether karat did everything that was asked of it on a fast path."""
        return not any(name.startswith("karat") for name in self.failed) and not any(row.slow for row in self.rows)
