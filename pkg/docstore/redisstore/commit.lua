#!lua
-- Does all writes of one commit or none.
--
-- KEYS  for each write, the key of its document
-- ARGV  for each write
--         1  the revision that it asks for (0: none, -1: any)
--         2  "put", "next" or "delete"
--         3  the record, for "next" without its revision, which is one more
--            than the stored one; empty for "delete"
--         4  the part of the record that holds the index entries
--         5  the id
--         6  the key of the sorted set of its kind's ids
--         7  what the keys of its kind's indexes begin with
--         8  the number n of index entries, and then n times
--            the entry's index and index key
-- Result: 0, or {number of the write, stored revision} of the first conflict
--
-- A script is not rolled back: all that can be wrong is found before the first
-- write.

local KEYS, ARGV, call, byte, sub = KEYS, ARGV, redis.call, string.byte, string.sub

-- What is read of a record: the first is enough for most, the other for the
-- longest revision and 16 entries with 512 bytes of name and value each.
local HEAD, LONGEST = 255, 16500

-- number reads a uvarint of s at p and returns it and the place behind it.
local function number(s, p)
  local value, scale = 0, 1
  while true do
    local b = byte(s, p)
    if not b then return nil end
    p = p + 1
    if b < 128 then return value + b * scale, p end
    value = value + (b - 128) * scale
    scale = scale * 128
  end
end

local function uvarint(n)
  local bytes = ''
  while n >= 128 do
    bytes = bytes .. string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return bytes .. string.char(n)
end

-- Members that come and go, in groups of command, key and member.
local moves, moved = {}, 0
local sets = {}
-- move returns an error when key is something else than a sorted set.
local function move(command, key, member)
  if not sets[key] then
    local t = call('TYPE', key).ok
    if t ~= 'none' and t ~= 'zset' then
      return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. t)
    end
    sets[key] = true
  end
  moves[moved + 1], moves[moved + 2], moves[moved + 3] = command, key, member
  moved = moved + 3
end

-- stored returns the entries of the record in head, from p on, as index to
-- value; nil when head ends before they do.
local function stored(head, p)
  local n, entries = nil, {}
  n, p = number(head, p)
  for _ = 1, n or 0 do
    local length, name
    length, p = number(head, p)
    if not length then return nil end
    name, p = sub(head, p, p + length - 1), p + length
    length, p = number(head, p)
    if not length or #head < p + length - 1 then return nil end
    entries[name], p = sub(head, p, p + length - 1), p + length
  end
  return n and entries
end

-- reindex moves the members of write i from the old entries to the new ones,
-- which begin in ARGV at first.
local function reindex(i, id, index, head, p, n, first)
  local old = {}
  if p then
    old = stored(head, p) or stored(call('GETRANGE', KEYS[i], 0, LONGEST), p)
    if not old then
      return redis.error_reply('DAMAGED ' .. KEYS[i] .. ' holds no record')
    end
  end
  local err
  for e = first, first + 2 * n - 1, 2 do
    local name, member = ARGV[e], ARGV[e + 1]
    local was = old[name] and string.gsub(old[name], '%z', '\0\255') .. '\0\1' .. id
    if was == member then
      old[name] = nil
    else
      err = err or move('ZADD', index .. name, member)
    end
  end
  for name, value in pairs(old) do
    err = err or move('ZREM', index .. name, string.gsub(value, '%z', '\0\255') .. '\0\1' .. id)
  end
  return err
end

local at = 0
for i = 1, #KEYS do
  local want, what, n = tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 8])
  local head = call('GETRANGE', KEYS[i], 0, HEAD)
  local revision, p = 0, nil
  if head ~= '' then
    revision, p = number(head, 1)
    if not revision then
      return redis.error_reply('DAMAGED ' .. KEYS[i] .. ' holds no record')
    end
  end
  if want >= 0 and want ~= revision then
    return {i, revision}
  end
  local entries, err = ARGV[at + 4], nil
  if what == 'next' then
    ARGV[at + 3] = uvarint(revision + 1) .. ARGV[at + 3]
  end
  -- A record tells where its entries end, so when the old one goes on like the
  -- new one, they have the same and nothing moves.
  if not p or what == 'delete' or sub(head, p, p + #entries - 1) ~= entries then
    err = reindex(i, ARGV[at + 5], ARGV[at + 7], head, p, n, at + 9)
  end
  if not err and not p and what ~= 'delete' then
    err = move('ZADD', ARGV[at + 6], ARGV[at + 5])
  elseif not err and p and what == 'delete' then
    err = move('ZREM', ARGV[at + 6], ARGV[at + 5])
  end
  if err then return err end
  at = at + 8 + 2 * n
end

for m = 1, moved, 3 do
  if moves[m] == 'ZADD' then
    call('ZADD', moves[m + 1], 0, moves[m + 2])
  else
    call('ZREM', moves[m + 1], moves[m + 2])
  end
end
at = 0
for i = 1, #KEYS do
  if ARGV[at + 2] == 'delete' then
    call('DEL', KEYS[i])
  else
    call('SET', KEYS[i], ARGV[at + 3])
  end
  at = at + 8 + 2 * tonumber(ARGV[at + 8])
end
return 0
