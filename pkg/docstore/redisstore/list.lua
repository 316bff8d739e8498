#!lua flags=no-writes
-- Reads one page of documents in order, all at one moment.
--
-- KEYS  the sorted set that orders them
-- ARGV  "id" or "index": what the set's members are; what the keys of the
--       documents begin with; the least and the greatest member, as ZRANGE
--       BYLEX takes them; "up" or "down"; the most documents; the bytes that end
--       the page
-- Result: {1 if there are more, member, record, member, record, …}

local call, find, sub = redis.call, string.find, string.sub
local CHUNK = 256

local set, prefix, low, high = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local byID, up = ARGV[1] == 'id', ARGV[5] == 'up'
local most, fullAt = tonumber(ARGV[6]), tonumber(ARGV[7])

-- idOf returns the id in an index key: it stands behind 0x00 0x01, and what
-- comes before has 0x00 only in 0x00 0xFF.
local function idOf(member)
  local p = 1
  while true do
    local zero = find(member, '\0', p, true)
    if not zero then return nil end
    if string.byte(member, zero + 1) == 1 then return sub(member, zero + 2) end
    p = zero + 2
  end
end

local page, count, bytes = {0}, 0, 0
while true do
  local n = math.min(CHUNK, most - count + 1)
  local members
  if up then
    members = call('ZRANGE', set, low, high, 'BYLEX', 'LIMIT', 0, n)
  else
    members = call('ZRANGE', set, high, low, 'BYLEX', 'REV', 'LIMIT', 0, n)
  end
  for _, member in ipairs(members) do
    if count == most or bytes >= fullAt then
      page[1] = 1
      return page
    end
    local id = byID and member or idOf(member)
    local record = id and call('GET', prefix .. id)
    if not record then
      return redis.error_reply('DAMAGED ' .. set .. ' names a document that does not exist')
    end
    page[2 * count + 2], page[2 * count + 3] = member, record
    count = count + 1
    bytes = bytes + #record
  end
  if #members < n then return page end
  if up then low = '(' .. members[n] else high = '(' .. members[n] end
end
