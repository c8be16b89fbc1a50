born > 'yesterday'
