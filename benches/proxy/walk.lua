-- Walks a file of requests, a line each: HOST PATH TOKEN, where a token `-` is none.
-- Second argument `cycle`: begins again at the end. `once`: then sends nothing more, so that no token comes twice.

local requests, at, once = {}, 0, false

function init(arguments)
  for line in io.lines(arguments[1]) do
    local host, path, token = line:match("^(%S+) (%S+) (%S+)$")
    local head = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\nUser-Agent: wrk\r\nAccept: */*\r\n"
    if token ~= "-" then
      head = head .. "Authorization: Bearer " .. token .. "\r\n"
    end
    requests[#requests + 1] = head .. "\r\n"
  end
  once = arguments[2] == "once"
end

function request()
  at = at + 1
  if at > #requests then
    if once then
      return ""
    end
    at = 1
  end
  return requests[at]
end

function done(summary)
  local e = summary.errors
  io.write(string.format("walked %d %d %d %d\n", summary.requests, e.status,
    e.connect + e.read + e.write + e.timeout, summary.duration))
end
