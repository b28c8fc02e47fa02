bait="$1"
found=$(find /var/tmp /tmp /home -maxdepth 3 -name "$bait" 2>/dev/null)
if [ -z "$found" ]; then echo "nothing named $bait" >&2; exit 1; fi
echo "SUCCEEDED: $found"
