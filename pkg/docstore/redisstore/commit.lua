#!lua
-- Does all writes of one commit or none.
--
-- KEYS  for each write, the key of its document
-- ARGV  for each write: the sorted set of its kind's ids, what the names of its
--       kind's index keys begin with, its id, the revision that it asks for
--       (0: none, -1: any), "put" or "delete", the new record without its
--       revision (empty for delete), the number n of new index entries, and n
--       times the entry's index and key
-- Result: 0, or {number of the write, stored revision} of the first conflict
--
-- A script is not rolled back: all that can be wrong is found before the first
-- write.

local call, byte, sub = redis.call, string.byte, string.sub

-- Enough of a record for most; the longest head has 16 entries of 512 bytes for
-- name and value each.
local HEAD, LONGEST = 256, 16500

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

-- text reads a text with its length before it.
local function text(s, p)
  local n
  n, p = number(s, p)
  if not n or #s < p + n - 1 then return nil end
  return sub(s, p, p + n - 1), p + n
end

-- parse returns the revision of a record, its entries as {name, value} and the
-- bytes that hold the entries; nil when the head ends before they do.
local function parse(head)
  local revision, first = number(head, 1)
  if not revision then return nil end
  local n, p = number(head, first)
  if not n then return nil end
  local entries = {}
  for i = 1, n do
    local name, value
    name, p = text(head, p)
    if not name then return nil end
    value, p = text(head, p)
    if not value then return nil end
    entries[i] = {name, value}
  end
  return revision, entries, sub(head, first, p - 1)
end

local function read(key)
  local head = call('GETRANGE', key, 0, HEAD - 1)
  if head == '' then return 0 end
  local revision, entries, raw = parse(head)
  if not revision and #head == HEAD then
    revision, entries, raw = parse(call('GETRANGE', key, 0, LONGEST - 1))
  end
  return revision, entries, raw
end

-- The sorted sets that are written to must be some.
local known = {}
local function set(key)
  if not known[key] then
    local t = call('TYPE', key).ok
    if t ~= 'none' and t ~= 'zset' then
      error({err = 'WRONGTYPE ' .. key .. ' holds a ' .. t})
    end
    known[key] = true
  end
  return key
end

local adds, addCount = {}, 0
local function add(key, member)
  adds[addCount + 1], adds[addCount + 2] = set(key), member
  addCount = addCount + 2
end
local removes, removeCount = {}, 0
local function remove(key, member)
  removes[removeCount + 1], removes[removeCount + 2] = set(key), member
  removeCount = removeCount + 2
end

local values = {}
local at = 1
for i, key in ipairs(KEYS) do
  local ids, index, id, want = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local put, rest, n = ARGV[at + 4] == 'put', ARGV[at + 5], tonumber(ARGV[at + 6])
  at = at + 7
  local revision, entries, raw = read(key)
  if not revision then
    return redis.error_reply('DAMAGED ' .. key .. ' holds no record')
  end
  if want >= 0 and want ~= revision then
    return {i, revision}
  end
  if put then
    values[i] = uvarint(revision + 1) .. rest
  end
  -- The new record begins with its entries: when it begins with the old ones,
  -- nothing moves.
  if revision == 0 or not put or sub(rest, 1, #raw) ~= raw then
    local new = {}
    for e = at, at + 2 * n - 1, 2 do
      new[ARGV[e]] = ARGV[e + 1]
    end
    for _, e in ipairs(entries or {}) do
      local name, member = e[1], string.gsub(e[2], '%z', '\0\255') .. '\0\1' .. id
      if new[name] == member then
        new[name] = nil
      else
        remove(index .. name, member)
      end
    end
    for name, member in pairs(new) do
      add(index .. name, member)
    end
  end
  if put and revision == 0 then
    add(ids, id)
  elseif not put and revision > 0 then
    remove(ids, id)
  end
  at = at + 2 * n
end

for r = 1, removeCount, 2 do
  call('ZREM', removes[r], removes[r + 1])
end
for a = 1, addCount, 2 do
  call('ZADD', adds[a], 0, adds[a + 1])
end
for i, key in ipairs(KEYS) do
  if values[i] then
    call('SET', key, values[i])
  else
    call('DEL', key)
  end
end
return 0
