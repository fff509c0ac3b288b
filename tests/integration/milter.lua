-- Run by milter.mjs: each test is a dialog on a connection of its own. Prints TAP lines without numbers.
mt.set_timeout(tonumber(timeout))

local function test(name, body)
	local good, why = pcall(body)
	if good then
		mt.echo("ok - miltertest: " .. name)
	else
		mt.echo("not ok - miltertest: " .. name)
		mt.echo("# " .. tostring(why))
	end
end

local function want(condition, what)
	if not condition then error(what, 2) end
end

local function sent(problem, what)
	want(problem == nil, what .. ": " .. tostring(problem))
end

-- A connection; without steps all that miltertest knows is offered.
-- miltertest 1.5.0 takes steps before actions, whatever its manual says.
local function open(steps)
	local conn = mt.connect(socket)
	want(conn ~= nil, "no connection")
	if steps ~= nil then sent(mt.negotiate(conn, 6, steps, 0x1ff), "negotiate") end
	sent(mt.conninfo(conn, "client.example", "127.0.0.1"), "conninfo")
	return conn
end

local function envelope(conn, from, to)
	sent(mt.mailfrom(conn, "<" .. from .. ">"), "mailfrom")
	sent(mt.rcptto(conn, "<" .. to .. ">"), "rcptto")
end

local function headers(conn, more)
	sent(mt.header(conn, "From", " news@shop.example"), "header")
	sent(mt.header(conn, "Subject", " Hello {{first_name}}"), "header")
	for i = 1, #(more or {}), 2 do sent(mt.header(conn, more[i], more[i + 1]), "header") end
	sent(mt.eoh(conn), "eoh")
end

local function body(conn, chunks)
	for _, chunk in ipairs(chunks) do sent(mt.bodystring(conn, chunk), "body") end
end

local function finish(conn)
	sent(mt.eom(conn), "eom")
	return mt.getreply(conn)
end

-- A whole message of the campaign "plain" on conn, whose copy must have the given body.
local function copy(conn, chunks, expected)
	envelope(conn, "plain@shop.example", "a@customers.example")
	headers(conn)
	body(conn, chunks)
	local reply = finish(conn)
	want(reply == SMFIR_CONTINUE or reply == SMFIR_ACCEPT, "eom answered " .. string.char(reply))
	want(mt.eom_check(conn, MT_BODYCHANGE, expected), "another body than " .. expected)
	want(mt.eom_check(conn, MT_HDRCHANGE, "Subject", " Hello Ann") or mt.eom_check(conn, MT_HDRCHANGE, "Subject", "Hello Ann"),
		"the subject")
end

test("CR and LF come in different body chunks", function()
	local conn = open()
	copy(conn, { "Dear {{first_name}}\r", "\nline two\r", "\n\r", "\n{{first_name}}\r", "\n" },
		"Dear Ann\r\nline two\r\n\r\nAnn\r\n")
	mt.disconnect(conn)
end)

test("a tag comes in three body chunks", function()
	local conn = open()
	copy(conn, { "Dear {", "{first_", "name}}, {{first_name}", "}!\r\n" }, "Dear Ann, Ann!\r\n")
	mt.disconnect(conn)
end)

test("every byte is a chunk", function()
	local conn = open()
	local chunks = {}
	for c in string.gmatch("a\r\n{{first_name}}\r\nb\r\n", ".") do chunks[#chunks + 1] = c end
	copy(conn, chunks, "a\r\nAnn\r\nb\r\n")
	mt.disconnect(conn)
end)

test("three messages on one connection", function()
	local conn = open()
	for i = 1, 3 do copy(conn, { i .. " {{first_name}}\r\n" }, i .. " Ann\r\n") end
	mt.disconnect(conn)
end)

test("RSET after MAIL, RCPT, a header, the header, the body: each time the next message is whole", function()
	local conn = open()
	local steps = {
		function() sent(mt.mailfrom(conn, "<plain@shop.example>"), "mailfrom") end,
		function() sent(mt.rcptto(conn, "<b@customers.example>"), "rcptto") end,
		function() sent(mt.header(conn, "X-Left", " over {{first_name}}"), "header") end,
		function() sent(mt.eoh(conn), "eoh") end,
		function() sent(mt.bodystring(conn, "left over {{first_name}}\r\n"), "body") end,
	}
	for last = 1, #steps do
		for i = 1, last do steps[i]() end
		sent(mt.abort(conn), "abort")
		copy(conn, { "{{first_name}}\r\n" }, "Ann\r\n")
	end
	mt.disconnect(conn)
end)

test("two aborts in a row, and an abort before any message", function()
	local conn = open()
	sent(mt.abort(conn), "abort")
	sent(mt.abort(conn), "abort")
	envelope(conn, "plain@shop.example", "a@customers.example")
	sent(mt.abort(conn), "abort")
	sent(mt.abort(conn), "abort")
	copy(conn, { "{{first_name}}\r\n" }, "Ann\r\n")
	mt.disconnect(conn)
end)

test("close comes first: after connecting, after negotiation, after each step, politely and not", function()
	for _, polite in ipairs({ true, false }) do
		mt.disconnect(mt.connect(socket), polite)
		mt.disconnect(open(), polite)
		local conn = open()
		sent(mt.mailfrom(conn, "<plain@shop.example>"), "mailfrom")
		mt.disconnect(conn, polite)
		conn = open()
		envelope(conn, "plain@shop.example", "a@customers.example")
		mt.disconnect(conn, polite)
		conn = open()
		envelope(conn, "plain@shop.example", "a@customers.example")
		headers(conn)
		mt.disconnect(conn, polite)
		conn = open()
		envelope(conn, "plain@shop.example", "a@customers.example")
		headers(conn)
		body(conn, { "half {{first_" })
		mt.disconnect(conn, polite)
	end
	local conn = open()
	copy(conn, { "{{first_name}}\r\n" }, "Ann\r\n")
	mt.disconnect(conn)
end)

test("an MTA of the old days, that waits for every answer and strips leading spaces, gets what it waits for", function()
	local conn = open(0x37f) -- the steps of 2001 and the two that libmilter cannot do without
	envelope(conn, "plain@shop.example", "a@customers.example")
	sent(mt.header(conn, "Subject", "Hello {{first_name}}"), "header")
	want(mt.getreply(conn) == SMFIR_CONTINUE, "header answered " .. mt.getreply(conn))
	sent(mt.header(conn, "From", "news@shop.example"), "header")
	sent(mt.eoh(conn), "eoh")
	body(conn, { "{{first_name}}\r\n" })
	want(mt.getreply(conn) == SMFIR_CONTINUE, "body answered " .. mt.getreply(conn))
	finish(conn)
	want(mt.eom_check(conn, MT_BODYCHANGE, "Ann\r\n"), "the body")
	want(mt.eom_check(conn, MT_HDRCHANGE, "Subject", "Hello Ann"), "the subject has a space of ours")
	mt.disconnect(conn)
end)

test("an MTA that allows no changes is refused, and said so in the log", function()
	local conn = mt.connect(socket)
	local problem = mt.negotiate(conn, 6, 0x1fffff, 1)
	problem = problem or mt.conninfo(conn, "client.example", "127.0.0.1")
	problem = problem or mt.mailfrom(conn, "<plain@shop.example>")
	problem = problem or mt.rcptto(conn, "<a@customers.example>")
	want(problem ~= nil, "it was taken")
	mt.disconnect(conn, false)
end)

test("ordinary mail is let go at the end of its header", function()
	local conn = open()
	envelope(conn, "someone@shop.example", "a@customers.example")
	sent(mt.header(conn, "Subject", " Hello {{first_name}}"), "header")
	sent(mt.eoh(conn), "eoh")
	want(mt.getreply(conn) == SMFIR_ACCEPT, "end of header answered " .. mt.getreply(conn))
	mt.disconnect(conn)
end)

test("a client from elsewhere: X-Mailtailor fields go, nothing else happens", function()
	local conn = mt.connect(socket)
	sent(mt.conninfo(conn, "elsewhere.example", "192.0.2.7"), "conninfo")
	envelope(conn, "plain@shop.example", "a@customers.example")
	headers(conn, { "X-Mailtailor-Campaign", " plain", "x-mailtailor-data", " {" })
	body(conn, { "{{first_name}}\r\n" })
	finish(conn)
	want(not mt.eom_check(conn, MT_BODYCHANGE), "the body was changed")
	want(mt.eom_check(conn, MT_HDRDELETE, "X-Mailtailor-Campaign"), "the campaign's name stays")
	want(mt.eom_check(conn, MT_HDRDELETE, "x-mailtailor-data"), "the data stays")
	want(not mt.eom_check(conn, MT_HDRCHANGE, "Subject"), "the subject was changed")
	mt.disconnect(conn)
end)

test("a client from elsewhere that logged in may send campaigns", function()
	local conn = mt.connect(socket)
	sent(mt.conninfo(conn, "elsewhere.example", "192.0.2.7"), "conninfo")
	mt.macro(conn, SMFIC_MAIL, "{auth_authen}", "shop", "{auth_type}", "PLAIN")
	envelope(conn, "plain@shop.example", "a@customers.example")
	headers(conn)
	body(conn, { "{{first_name}}\r\n" })
	finish(conn)
	want(mt.eom_check(conn, MT_BODYCHANGE, "Ann\r\n"), "the body")
	mt.disconnect(conn)
end)

test("a local submission without an address is trusted", function()
	local conn = mt.connect(socket)
	sent(mt.conninfo(conn, "localhost", "unspec"), "conninfo")
	copy(conn, { "{{first_name}}\r\n" }, "Ann\r\n")
	mt.disconnect(conn)
end)

test("a listener's name makes campaign mail", function()
	local conn = mt.connect(socket)
	mt.macro(conn, SMFIC_CONNECT, "{daemon_name}", "submission", "{daemon_port}", "587")
	sent(mt.conninfo(conn, "client.example", "127.0.0.1"), "conninfo")
	envelope(conn, "someone@shop.example", "a@customers.example")
	headers(conn)
	body(conn, { "{{first_name}}\r\n" })
	finish(conn)
	want(mt.eom_check(conn, MT_BODYCHANGE, "Lis\r\n"), "the body")
	mt.disconnect(conn)
end)

test("the second recipient: 452 4.5.3, and the first one's copy is made", function()
	local conn = open()
	envelope(conn, "plain@shop.example", "a@customers.example")
	sent(mt.rcptto(conn, "<b@customers.example>"), "rcptto")
	want(mt.getreply(conn) == SMFIR_REPLYCODE or mt.getreply(conn) == SMFIR_TEMPFAIL, "rcpt answered " .. mt.getreply(conn))
	headers(conn)
	body(conn, { "{{first_name}}\r\n" })
	finish(conn)
	want(mt.eom_check(conn, MT_BODYCHANGE, "Ann\r\n"), "the body")
	mt.disconnect(conn)
end)

test("too large, in many chunks: refused, and the connection goes on", function()
	local conn = open()
	envelope(conn, "plain@shop.example", "a@customers.example")
	headers(conn)
	for _ = 1, 30 do sent(mt.bodystring(conn, string.rep("0123456789abcdef\r\n", 400)), "body") end
	want(finish(conn) == SMFIR_REPLYCODE, "eom answered " .. mt.getreply(conn))
	want(not mt.eom_check(conn, MT_BODYCHANGE), "the body was changed")
	copy(conn, { "{{first_name}}\r\n" }, "Ann\r\n")
	mt.disconnect(conn)
end)

test("no body at all, and a body of one line without its end", function()
	local conn = open()
	envelope(conn, "plain@shop.example", "a@customers.example")
	headers(conn)
	want(finish(conn) ~= SMFIR_TEMPFAIL, "tempfail")
	want(mt.eom_check(conn, MT_HDRCHANGE, "Subject"), "the subject")
	copy(conn, { "{{first_name}}" }, "Ann")
	mt.disconnect(conn)
end)

test("thirty connections at once, their messages interleaved", function()
	local conns = {}
	for i = 1, 30 do conns[i] = open() end
	for i = 1, 30 do envelope(conns[i], "plain@shop.example", "c" .. i .. "@customers.example") end
	for i = 30, 1, -1 do headers(conns[i], { "X-Number", " " .. i }) end
	for i = 1, 30 do body(conns[i], { i .. " {{first_" }) end
	for i = 30, 1, -1 do body(conns[i], { "name}}\r\n" }) end
	for i = 1, 30 do
		finish(conns[i])
		want(mt.eom_check(conns[i], MT_BODYCHANGE, i .. " Ann\r\n"), "body " .. i)
	end
	for i = 1, 30 do mt.disconnect(conns[i], i % 2 == 0) end
end)

test("a cap is exact for one connection's messages: two copies, then a discard", function()
	local conn = open()
	for i = 1, 3 do
		envelope(conn, "capped@shop.example", "cap@customers.example")
		headers(conn, { "Message-ID", " <cap-" .. i .. "@shop.example>" })
		body(conn, { "x\r\n" })
		local reply = finish(conn)
		want((reply == SMFIR_DISCARD) == (i == 3), "message " .. i .. " answered " .. string.char(reply))
	end
	mt.disconnect(conn)
end)

mt.echo("# end of script")
