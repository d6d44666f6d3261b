"""What all kinds of trading data share: kinds, deletion marks, periods and errors."""
