-- The flights of a period. A plan also asks for the first and the last row: keep an index on the time.
SELECT *
FROM flights
WHERE time_hour >= :start AND time_hour < :end
