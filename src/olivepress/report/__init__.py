"""Device reports: what one machine measured of one artifact, and the list of metrics."""

# Declares every metric: whichever module of the package is imported first, the list is whole and in the same order.
from olivepress.report import metrics as metrics
