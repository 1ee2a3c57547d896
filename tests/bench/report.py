"""What the suites share: progress, figures and tables, memory, and the mail they write."""
import math
import re
import sys
import time


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def percentile(values, p):
    """Nearest rank; None of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * p / 100) - 1)] if ranked else None


def cell(value):
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else \
        f"{value:.0f}" if isinstance(value, float) else str(value)


def table(title, names, rows):
    print(f"\n### {title}\n\n| " + " | ".join(names) + " |\n|" + " --- |" * len(names))
    for row in rows:
        print("| " + " | ".join(map(cell, row)) + " |")
    sys.stdout.flush()


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M).group(1))


def message(i, message_id=None):
    """Ordinary mail; the same i gives the same bytes."""
    length = 200 + i * 7919 % 900
    return (b"From: Ann Sender <ann@example.com>\r\nTo: someone@example.com\r\nSubject: Number %d\r\n"
            b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: %s\r\nContent-Type: text/plain\r\n\r\n"
            % (i, (message_id or f"<bench-{i}@example.com>").encode()) + b"Text of it.\r\n" * (length // 13))
