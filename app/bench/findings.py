"""What a comparison says, in sentences: what is missing comes first."""

from .result import Work

TILED = ("openvino-f32-64", "openvino-64")
NOTES = (
    "times: medians of rounds in which the engines take turns, of which only ratios mean anything; karat f32 and karat "
    "bf16: how many times as fast karat is",
    "PSNR: in dB against the golden float64 reference; tiles without overlap show their seams here",
    "MB: growth of the resident set while the first picture is computed, in a process of its own",
    "peak: percent of the fused multiply-adds that were measured here, in the engine's precision; convolutions count "
    "as direct ones, so that Winograd's form can exceed 100 %",
)


def title(work: Work):
    """Network, sizes and operations in one line."""
    height, width = work.size
    total = sum(work.flops.values())
    parts = ", ".join(f"{kind} {count / total:.0%}" for kind, count in work.flops.items() if count)
    large = f"{int(work.scale * height)} x {int(work.scale * width)}"
    return f"{work.network}, {height} x {width} to {large} pixels, {_count(total)}FLOP ({parts})"


def findings(work: Work):
    """Sentences about one work, in the order of weight."""
    rows = {row.engine: row for row in work.rows}
    said = [*work.absent.values(), *work.failed.values()]
    for row in work.rows:
        if row.slow:
            said.append(
                f"SLOW PATH: {row.title} runs {len(row.slow)} layers without a fast kernel, first {row.slow[0]}"
            )
    if work.compared_size != work.size:
        said.append("PSNR is that of the middle {} x {} pixels".format(*work.compared_size))
    if all(name in rows for name in TILED):
        best, other = sorted((rows[name] for name in TILED), key=lambda row: row.median_seconds)
        said.append(f"better tiled at 64: {best.title} ({best.precision}), {_ms(best)} against {_ms(other)} ms")
    if "karat-f32" in rows and "karat-f32-2" in rows:
        one, two = rows["karat-f32"], rows["karat-f32-2"]
        gain = one.median_seconds / two.median_seconds
        said.append(f"karat f32 is {gain:.2f} times as fast with {two.threads} threads as with {one.threads}")
    if "karat-bf16" in rows and rows["karat-bf16"].precision == "float32":
        said.append("karat bf16 is float32 here: the network is all convolutions, and they stay float32")
    said += _closer(rows)
    for row in work.rows:
        if row.predicted_bytes is not None and row.memory_bytes is not None:
            said.append(f"{row.title} predicted {_mb(row.predicted_bytes)} MB and took {_mb(row.memory_bytes)} MB")
    return said


def _closer(rows):
    """Whether karat's bfloat16 is closer to float64 than OpenVINO's."""
    ours, theirs = rows.get("karat-bf16"), rows.get("openvino")
    if ours is None or theirs is None or {ours.precision, theirs.precision} != {"bfloat16"}:
        return []
    if None in (ours.psnr_db, theirs.psnr_db):
        return []
    place = "closer to float64 than" if ours.psnr_db > theirs.psnr_db else "NOT closer to float64 than"
    return [f"karat bf16 is {place} OpenVINO's bfloat16: {ours.psnr_db:.1f} against {theirs.psnr_db:.1f} dB"]


def _ms(row):
    return f"{1e3 * row.median_seconds:.1f}"


def _mb(count):
    return f"{count / 1e6:.0f}"


def _count(operations):
    prefix, factor = next((p for p in (("T", 1e12), ("G", 1e9), ("M", 1e6)) if operations >= p[1]), ("k", 1e3))
    return f"{operations / factor:.3g} {prefix}"
