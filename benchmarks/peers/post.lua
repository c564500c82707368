-- What wrk sends: photographs in turn, as whole request bodies that the benchmark wrote to files beforehand.
--
--   wrk -t1 -c8 -d10s -s post.lua URL -- CONTENT_TYPE RATE LIST
--
-- RATE is requests a second, sent at random moments (a Poisson process) as long as a connection is free; 0 sends the
-- next one as soon as an answer is there. LIST is a file that names the bodies, one a line. Prints one line of JSON.

local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *now);
]]

local MONOTONIC = 1
local now_is = ffi.new("bench_time")

local function milliseconds()
   ffi.C.clock_gettime(MONOTONIC, now_is)
   return tonumber(now_is.seconds) * 1e3 + tonumber(now_is.nanoseconds) / 1e6
end

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   local list = {}
   for path in io.lines(arguments[3]) do
      local file = assert(io.open(path, "rb"))
      table.insert(list, file:read("*a"))
      file:close()
   end
   requests = {}
   for _, body in ipairs(list) do
      table.insert(requests, wrk.format("POST", nil, { ["Content-Type"] = arguments[1] }, body))
   end
   rate = tonumber(arguments[2])
   sent, due = 0, nil
   statuses, late = "", 0
   counts = {}
   math.randomseed(1)
   if rate == 0 then delay = nil end
end

function request()
   sent = sent + 1
   return requests[(sent - 1) % #requests + 1]
end

function delay()
   local now = milliseconds()
   due = (due or now) - math.log(1 - math.random()) * 1e3 / rate
   if due < now then late = late + 1 end        -- every connection was busy when this one should have gone
   return math.max(0, math.floor(due - now + 0.5))
end

function response(status)
   counts[status] = (counts[status] or 0) + 1
   local parts = {}
   for code, count in pairs(counts) do table.insert(parts, string.format('"%d": %d', code, count)) end
   statuses = table.concat(parts, ", ")
end

function done(summary, latency)
   local percentiles = {}
   for _, share in ipairs({ 50, 75, 90, 99, 99.9 }) do
      table.insert(percentiles, string.format('"%g": %.3f', share, latency:percentile(share) / 1e3))
   end
   local errors = summary.errors
   print(string.format(
      '{"requests": %d, "seconds": %.3f, "milliseconds": {%s}, "worst": %.3f, "mean": %.3f, "statuses": {%s}, "late": %d, ' ..
      '"connect": %d, "read": %d, "write": %d, "timeout": %d}',
      summary.requests, summary.duration / 1e6, table.concat(percentiles, ", "), latency.max / 1e3, latency.mean / 1e3,
      threads[1]:get("statuses"), threads[1]:get("late"), errors.connect, errors.read, errors.write, errors.timeout))
end
