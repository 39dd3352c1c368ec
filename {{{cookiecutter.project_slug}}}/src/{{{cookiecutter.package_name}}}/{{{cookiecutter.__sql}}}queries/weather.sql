SELECT time_hour, origin, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
FROM weather
WHERE time_hour >= :start AND time_hour < :end
