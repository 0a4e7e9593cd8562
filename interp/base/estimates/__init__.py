"""Intervals at 95 %, each with the name of its method: numpy in, numpy out, thin over scipy.

| of | function | method |
|---|---|---|
| right or wrong, counted | `proportion_interval` | Clopper-Pearson |
| a mean of shares from 0 to 1, one a string | `share_intervals` | Korn-Graubard |
| a mean of differences of two such shares | `difference_intervals` | Korn-Graubard |
| a mean over control sets, all on the same strings | `crossed_intervals` | Korn-Graubard over sets and strings |
| a mean of numbers without bounds, one a string | `mean_intervals` | Student t and Hall |
| a mean over a few trainings or seeds | `student_intervals` | Student t |
| what is not a mean (a knee, an n), from resamples of the strings | `percentile_interval` | percentile bootstrap |

The unit (a string, a model) lies along the last axis, and units are independent. How often each method covers is
measured in `tests/base/test_coverage.py`. A function in the plural keeps the leading axes; `[i]` picks an `Interval`.
"""

from interp.base.estimates.intervals import LEVEL as LEVEL
from interp.base.estimates.intervals import TAIL as TAIL
from interp.base.estimates.intervals import Intervals as Intervals
from interp.base.estimates.means import mean_interval as mean_interval
from interp.base.estimates.means import mean_intervals as mean_intervals
from interp.base.estimates.means import student_interval as student_interval
from interp.base.estimates.means import student_intervals as student_intervals
from interp.base.estimates.resamples import RESAMPLES as RESAMPLES
from interp.base.estimates.resamples import percentile_interval as percentile_interval
from interp.base.estimates.resamples import resampled as resampled
from interp.base.estimates.shares import crossed_interval as crossed_interval
from interp.base.estimates.shares import crossed_intervals as crossed_intervals
from interp.base.estimates.shares import difference_interval as difference_interval
from interp.base.estimates.shares import difference_intervals as difference_intervals
from interp.base.estimates.shares import proportion_interval as proportion_interval
from interp.base.estimates.shares import share_interval as share_interval
from interp.base.estimates.shares import share_intervals as share_intervals
