"""DeviceReport: what one machine measured of one artifact, and the list of metrics."""
