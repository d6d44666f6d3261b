"""Reading of trading data: lists, pages and exports."""
