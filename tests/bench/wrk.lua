-- The paths of one column of a file, in turns; the same for every server. wrk … -s wrk.lua URL -- FILE COLUMN
local requests, at = {}, 0

function init(args)
	local agent = { ["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0" }
	for line in io.lines(args[1]) do
		local n = 0
		for word in line:gmatch("%S+") do
			n = n + 1
			if n == tonumber(args[2]) then requests[#requests + 1] = wrk.format("GET", word, agent) end
		end
	end
	at = math.random(#requests)
end

function request()
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency)
	io.write(string.format('{"requests":%d,"per_s":%.1f,"p50_ms":%.2f,"p99_ms":%.2f,"errors":%d}\n', summary.requests,
		summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
		summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status))
end
