SELECT tailnum, year, engines, seats
FROM planes
