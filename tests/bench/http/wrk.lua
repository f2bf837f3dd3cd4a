-- Called as: wrk -s wrk.lua URL -- METHOD [BODY]. Prints its counts as one JSON line at the end.

function init(args)
  wrk.method = args[1]
  if args[2] then
    wrk.body = args[2]
    wrk.headers["Content-Type"] = "application/json"
  end
end

-- No `response` function: wrk would then build Lua tables for every answer, and be a slower tool than it is.
function done(summary)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}',
    summary.requests, errors.connect, errors.read, errors.write, errors.status, errors.timeout
  ))
end
