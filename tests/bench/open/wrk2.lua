-- Called as: wrk2 -s wrk2.lua URL. Prints its corrected latencies in ms by percentile as one JSON line at the end.

function done(summary, latency)
  local errors, values = summary.errors, {}
  for tenth = 0, 999 do
    values[#values + 1] = string.format("%.3f", latency:percentile(tenth / 10) / 1000)
  end
  print(string.format(
    '{"requests": %d, "failed": %d, "latency_ms": [%s]}',
    #latency, errors.connect + errors.read + errors.write + errors.status + errors.timeout, table.concat(values, ", ")
  ))
end
