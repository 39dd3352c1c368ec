SELECT faa, lat, lon
FROM airports
