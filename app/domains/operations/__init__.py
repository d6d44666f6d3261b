"""Operations: long work as a row, with its progress and a receipt."""
